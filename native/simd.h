#pragma once

#include <cstdint>  // brings __GLIBC__

// Put before a function without inner functions: where the loader can choose,
// it is compiled for AVX-512, AVX2 and the oldest x86-64, and the best one
// runs. Sanitizers start too late for that choice.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&          \
    !defined(__SANITIZE_THREAD__)
#define BIRBS_CLONES \
  __attribute__((    \
      target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define BIRBS_CLONES
#endif

// A helper that takes the instructions of the clone it is called from.
#define BIRBS_INLINE inline __attribute__((always_inline))
