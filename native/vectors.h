#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace birbs {

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
struct Vector<4> {
  typedef float Float __attribute__((vector_size(16)));
  typedef int32_t Int __attribute__((vector_size(16)));
  typedef uint8_t Byte __attribute__((vector_size(4)));
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

// NaN counts as larger than all numbers.
template <typename Float, typename Int>
BIRBS_INLINE void take_larger(const Float& value, const Int& at, Float& best,
                              Int& best_at) {
  best_at = value > best ? at : best_at;
  best = value > best ? value : best;
  best_at = value != value ? at : best_at;
  best = value != value ? value : best;
}

}  // namespace birbs
