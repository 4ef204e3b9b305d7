#include "philox.h"

namespace birbs {

std::array<uint32_t, 4> philox(uint64_t seed, uint32_t stream, uint64_t step,
                               uint32_t block) {
  constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  std::array<uint32_t, 4> counter{block, stream, static_cast<uint32_t>(step),
                                  static_cast<uint32_t>(step >> 32)};
  uint32_t key0 = static_cast<uint32_t>(seed);
  uint32_t key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiplier0 * counter[0];
    uint64_t product1 = multiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0,
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1,
               static_cast<uint32_t>(product0)};
    key0 += weyl0;
    key1 += weyl1;
  }
  return counter;
}

std::vector<uint32_t> philox_words(uint64_t seed, uint32_t stream,
                                   uint64_t step, size_t count) {
  std::vector<uint32_t> words(count);
  for (size_t i = 0; i < count; i += 4) {
    auto block = philox(seed, stream, step, static_cast<uint32_t>(i / 4));
    for (size_t j = i; j < count && j < i + 4; ++j) words[j] = block[j - i];
  }
  return words;
}

}  // namespace birbs
