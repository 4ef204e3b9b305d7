#include "simd.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace birbs {
namespace {

InstructionSet of_processor() {
#if BIRBS_LEVELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return InstructionSet::avx512;
  if (__builtin_cpu_supports("x86-64-v3")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

// Names as oneDNN spells them, upper or lower case; it ignores others, too.
InstructionSet allowed() {
  const char* value = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (!value) value = std::getenv("DNNL_MAX_CPU_ISA");
  std::string name = value ? value : "";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  if (name == "SSE41" || name == "AVX") return InstructionSet::baseline;
  if (name.starts_with("AVX2")) return InstructionSet::avx2;
  return InstructionSet::avx512;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet best = std::min(of_processor(), allowed());
  return best;
}

std::string instruction_set_name() {
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return "AVX-512";
    case InstructionSet::avx2:
      return "AVX2";
    case InstructionSet::baseline:
      break;
  }
#if defined(__x86_64__)
  return "SSE2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "no vectors";
#endif
}

}  // namespace birbs
