#pragma once

#include <memory>
#include <string>
#include <vector>

namespace birbs::mpi {

// A handle of MPI: a pointer in Open MPI and in the standard ABI, an int in
// MPICH, which takes and leaves it in the low half (little-endian).
using Handle = void*;

// MPI's C functions and constants, found at run time: the addon neither links
// MPI nor needs its headers. Open MPI, MPICH and the standard ABI of MPI 5
// differ only in the constants.
struct Library {
  std::string path;
  std::string version;  // "Open MPI v4.1.4"

  Handle world{}, float_type{}, double_type{}, byte_type{}, sum{};
  void *in_place{}, *ignored_status{};

  int (*get_library_version)(char*, int*){};
  int (*init_thread)(int*, char***, int, int*){};
  int (*finalize)(){};
  int (*comm_rank)(Handle, int*){};
  int (*comm_size)(Handle, int*){};
  int (*comm_dup)(Handle, Handle*){};
  int (*iallreduce)(const void*, void*, int, Handle, Handle, Handle, Handle*){};
  int (*ibcast)(void*, int, Handle, int, Handle, Handle*){};
  int (*iallgather)(const void*, int, Handle, void*, int, Handle, Handle,
                    Handle*){};
  int (*test)(Handle*, int*, void*){};
  int (*iprobe)(int, int, Handle, int*, void*){};
  int (*send)(const void*, int, Handle, int, int, Handle){};
  int (*recv)(void*, int, Handle, int, int, Handle, void*){};
};

// The first that loads: $BIRBS_MPI if it is set, else the library of
// `launcher` ("Open MPI", "MPICH" or empty) before that of the other. Null
// with the reason in `problem`.
std::unique_ptr<Library> load_library(const std::string& launcher,
                                      std::string* problem);

}  // namespace birbs::mpi
