#include "collective.h"
#include "network.h"

namespace birbs {

MpiFound find_mpi() {
  return {"", "",
          "this build of the addon is without MPI; build it again with "
          "BIRBS_MPI=ON"};
}

std::shared_ptr<Collective> open_collective() {
  throw Error("several processes were started, but " + find_mpi().problem +
              ".");
}

}  // namespace birbs
