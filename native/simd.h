#pragma once

#include <cstdint>  // brings __GLIBC__

// Put before a function without inner functions: where the loader can choose,
// it is compiled for AVX-512, AVX2 and the oldest x86-64, and the best one
// runs. The names are levels of features: an architecture's own name would
// leave out every other maker's processors. gcc knows them from 12 on.
// Sanitizers start too late for that choice.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && \
    __GNUC__ >= 12 && !defined(__SANITIZE_ADDRESS__) &&                 \
    !defined(__SANITIZE_THREAD__)
#define BIRBS_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BIRBS_CLONES
#endif

// A helper that takes the instructions of the clone it is called from.
#define BIRBS_INLINE inline __attribute__((always_inline))
