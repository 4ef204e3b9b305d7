#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace birbs {

// What a random number is for. The stream is one word of the Philox counter, so
// no two uses ever share numbers. Dropout of layer i uses
// `dropout_stream + i`.
enum Stream : uint32_t {
  init_stream = 0,  // + parameter index
  shuffle_stream = 1u << 16,
  augment_stream = 2u << 16,
  dropout_stream = 3u << 16,
};

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). The key is the seed; the counter is
// (block, stream, step low, step high).
std::array<uint32_t, 4> philox(uint64_t seed, uint32_t stream, uint64_t step,
                               uint32_t block);

// Words 0 .. count-1 of a stream: word i is word i % 4 of block i / 4.
std::vector<uint32_t> philox_words(uint64_t seed, uint32_t stream,
                                   uint64_t step, size_t count);

// [0, 1) with 24 bits: exact in float32.
inline float to_uniform(uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

// Whether dropout keeps the element behind `word`: true with probability
// 1 - rate. Elements are counted in N, C, H, W order over the batch.
inline bool dropout_keeps(uint32_t word, float rate) {
  return to_uniform(word) >= rate;
}

}  // namespace birbs
