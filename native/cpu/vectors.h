#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace birbs::cpu {

// `lanes` numbers at once, in whatever registers the machine has.
template <int lanes>
struct Vector;

template <>
struct Vector<16> {
  typedef float Float __attribute__((vector_size(64)));
  typedef int32_t Int __attribute__((vector_size(64)));
  typedef uint8_t Byte __attribute__((vector_size(16)));
};

template <>
struct Vector<8> {
  typedef float Float __attribute__((vector_size(32)));
  typedef int32_t Int __attribute__((vector_size(32)));
  typedef uint8_t Byte __attribute__((vector_size(8)));
};

template <>
struct Vector<1> {
  typedef float Float __attribute__((vector_size(4)));
  typedef int32_t Int __attribute__((vector_size(4)));
  typedef uint8_t Byte __attribute__((vector_size(1)));
};

template <typename Value>
BIRBS_INLINE void load(Value& value, const void* from) {
  std::memcpy(&value, from, sizeof(value));
}

template <typename Value>
BIRBS_INLINE void store(const Value& value, void* to) {
  std::memcpy(to, &value, sizeof(value));
}

}  // namespace birbs::cpu
