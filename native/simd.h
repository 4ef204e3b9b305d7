#pragma once

#include <string>

// Before a function that `vectorized` runs, and before what such a function
// calls: it is compiled for the instruction set of its caller.
#define BIRBS_INLINE inline __attribute__((always_inline))

// Compilers that know the levels of features of x86-64 by name. An
// architecture's own name would leave out every other maker's processors.
#if defined(__x86_64__) && \
    ((defined(__clang__) && __clang_major__ >= 18) || __GNUC__ >= 12)
#define BIRBS_LEVELS 1
#else
#define BIRBS_LEVELS 0
#endif

namespace birbs {

// What the kernels are compiled for; each has all of the one before.
enum class InstructionSet { baseline, avx2, avx512 };

// The best that this processor has and ONEDNN_MAX_CPU_ISA allows, oneDNN's own
// variable (DNNL_MAX_CPU_ISA in older versions). Read once.
InstructionSet instruction_set();

// "AVX2", or "SSE2" for the oldest x86-64.
std::string instruction_set_name();

namespace simd {

#if BIRBS_LEVELS
template <auto kernel, typename... Arguments>
__attribute__((target("arch=x86-64-v4"))) void run_avx512(Arguments... given) {
  kernel(given...);
}

template <auto kernel, typename... Arguments>
__attribute__((target("arch=x86-64-v3"))) void run_avx2(Arguments... given) {
  kernel(given...);
}
#endif

template <auto kernel, typename... Arguments>
void run_baseline(Arguments... given) {
  kernel(given...);
}

}  // namespace simd

// Calls kernel(given...), a BIRBS_INLINE function without a result, compiled
// for instruction_set(). Arguments go by value.
template <auto kernel, typename... Arguments>
void vectorized(Arguments... given) {
#if BIRBS_LEVELS
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return simd::run_avx512<kernel>(given...);
    case InstructionSet::avx2:
      return simd::run_avx2<kernel>(given...);
    case InstructionSet::baseline:
      break;
  }
#endif
  simd::run_baseline<kernel>(given...);
}

}  // namespace birbs
