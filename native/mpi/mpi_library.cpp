#include "mpi_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace birbs::mpi {
namespace {

#ifdef __APPLE__
constexpr const char* install = "install Open MPI with `brew install open-mpi`";
// Homebrew's folders are not on the path of the dynamic linker.
const std::vector<std::string> folders = {"", "/opt/homebrew/lib/",
                                          "/usr/local/lib/", "/opt/local/lib/"};
const std::vector<std::string> standard_names = {"libmpi_abi.1.dylib",
                                                 "libmpi_abi.dylib"};
const std::vector<std::string> open_mpi_names = {"libmpi.40.dylib",
                                                 "libmpi.dylib"};
const std::vector<std::string> mpich_names = {
    "libmpi.12.dylib", "libmpich.12.dylib", "libpmpi.12.dylib"};
#else
constexpr const char* install =
    "install Open MPI, on Debian and Ubuntu with `sudo apt-get install "
    "openmpi-bin`";
const std::vector<std::string> folders = {
    "", "/usr/lib64/openmpi/lib/", "/usr/lib64/mpich/lib/", "/usr/local/lib/"};
// The plain names are only there with the packages for development.
const std::vector<std::string> standard_names = {"libmpi_abi.so.1",
                                                 "libmpi_abi.so"};
const std::vector<std::string> open_mpi_names = {"libmpi.so.40", "libmpi.so"};
const std::vector<std::string> mpich_names = {"libmpich.so.12", "libmpi.so.12",
                                              "libmpich.so"};
#endif

std::vector<std::string> candidates(const std::string& launcher) {
  if (const char* chosen = std::getenv("BIRBS_MPI")) return {chosen};
  std::vector<std::string> names = standard_names;
  const bool mpich_first = launcher == "MPICH";
  for (const auto& own : {mpich_first ? mpich_names : open_mpi_names,
                          mpich_first ? open_mpi_names : mpich_names}) {
    names.insert(names.end(), own.begin(), own.end());
  }
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    for (const std::string& folder : folders) paths.push_back(folder + name);
  }
  return paths;
}

Handle from_number(uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

bool starts_with(const std::string& text, const char* begin) {
  return text.rfind(begin, 0) == 0;
}

// "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\nMPICH Release
// date: ..." to their first words.
std::string short_version(std::string text) {
  text = text.substr(0, text.find_first_of(",\n"));
  std::replace(text.begin(), text.end(), '\t', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <typename Function>
  void take(const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(library_, name));
    if (!*function && missing_.empty()) missing_ = name;
  }
  void take_address(const char* name, Handle* handle) {
    *handle = dlsym(library_, name);
    if (!*handle && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

void take_functions(Symbols& symbols, Library& mpi) {
  symbols.take("MPI_Get_library_version", &mpi.get_library_version);
  symbols.take("MPI_Init_thread", &mpi.init_thread);
  symbols.take("MPI_Finalize", &mpi.finalize);
  symbols.take("MPI_Comm_rank", &mpi.comm_rank);
  symbols.take("MPI_Comm_size", &mpi.comm_size);
  symbols.take("MPI_Comm_dup", &mpi.comm_dup);
  symbols.take("MPI_Iallreduce", &mpi.iallreduce);
  symbols.take("MPI_Ibcast", &mpi.ibcast);
  symbols.take("MPI_Iallgather", &mpi.iallgather);
  symbols.take("MPI_Test", &mpi.test);
  symbols.take("MPI_Iprobe", &mpi.iprobe);
  symbols.take("MPI_Send", &mpi.send);
  symbols.take("MPI_Recv", &mpi.recv);
}

// The constants of mpi.h, which each library has its own of.
void take_constants(Symbols& symbols, void* library, Library& mpi) {
  mpi.in_place = from_number(1);
  mpi.ignored_status = nullptr;
  // Only libraries of the standard ABI have this function.
  if (dlsym(library, "MPI_Abi_get_version") &&
      mpi.path.find("mpi_abi") != std::string::npos) {
    mpi.world = from_number(0x101);
    mpi.sum = from_number(0x21);
    mpi.float_type = from_number(0x210);
    mpi.double_type = from_number(0x214);
    mpi.byte_type = from_number(0x247);
  } else if (starts_with(mpi.version, "Open MPI")) {
    symbols.take_address("ompi_mpi_comm_world", &mpi.world);
    symbols.take_address("ompi_mpi_op_sum", &mpi.sum);
    symbols.take_address("ompi_mpi_float", &mpi.float_type);
    symbols.take_address("ompi_mpi_double", &mpi.double_type);
    symbols.take_address("ompi_mpi_byte", &mpi.byte_type);
  } else {
    mpi.world = from_number(0x44000000);
    mpi.sum = from_number(0x58000003);
    mpi.float_type = from_number(0x4c00040a);
    mpi.double_type = from_number(0x4c00080b);
    mpi.byte_type = from_number(0x4c00010d);
    mpi.in_place = from_number(~uintptr_t{0});
    mpi.ignored_status = from_number(1);
  }
}

}  // namespace

std::unique_ptr<Library> load_library(const std::string& launcher,
                                      std::string* problem) {
  std::string reason;
  for (const std::string& path : candidates(launcher)) {
    // Global: Open MPI opens components that look for its symbols.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
      if (std::getenv("BIRBS_MPI")) reason = dlerror();
      continue;
    }
    auto mpi = std::make_unique<Library>();
    mpi->path = path;
    Symbols symbols(library);
    take_functions(symbols, *mpi);
    if (symbols.missing().empty()) {
      char text[8192] = {};
      int length = 0;
      mpi->get_library_version(text, &length);
      mpi->version = short_version(text);
      if (!starts_with(mpi->version, "Open MPI") &&
          !starts_with(mpi->version, "MPICH")) {
        reason =
            path + " is \"" + mpi->version + "\", neither Open MPI nor MPICH";
        continue;
      }
      take_constants(symbols, library, *mpi);
    }
    if (symbols.missing().empty()) return mpi;
    reason = path + " has no " + symbols.missing();
  }
  *problem = reason.empty() ? std::string("no MPI was found; ") + install
                            : "no MPI can be used (" + reason + "); " + install;
  return nullptr;
}

}  // namespace birbs::mpi
