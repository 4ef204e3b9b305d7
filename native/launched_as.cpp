#include <cstdlib>
#include <string>

#include "collective.h"

namespace birbs {
namespace {

int number_in(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  if (!text) return otherwise;
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  return end == text ? otherwise : static_cast<int>(number);
}

}  // namespace

LaunchedAs launched_as() {
  if (std::getenv("OMPI_COMM_WORLD_SIZE")) {
    return {"Open MPI", number_in("OMPI_COMM_WORLD_SIZE", 1),
            number_in("OMPI_COMM_WORLD_RANK", 0)};
  }
  if (std::getenv("PMI_SIZE")) {
    return {"MPICH", number_in("PMI_SIZE", 1), number_in("PMI_RANK", 0)};
  }
  // Open MPI 5 under another starter (srun) says only this; one rank above 0
  // means that there are several.
  if (std::getenv("PMIX_RANK")) {
    const int rank = number_in("PMIX_RANK", 0);
    return {"Open MPI", number_in("SLURM_NTASKS", rank + 1), rank};
  }
  return {};
}

}  // namespace birbs
