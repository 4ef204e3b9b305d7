#include "normalization.h"

namespace birbs::portable {

void normalize(Threads& threads, const Network& network, int count,
               const uint8_t* images, float* x) {
  float table[3][256];
  for (int c = 0; c < 3; ++c) {
    for (int pixel = 0; pixel < 256; ++pixel) {
      table[c][pixel] =
          (static_cast<float>(pixel) / 255 - network.mean[c]) / network.std[c];
    }
  }
  const int64_t plane = int64_t{network.input.height} * network.input.width;
  threads.run(count, [&](int64_t n) {
    const uint8_t* image = images + n * plane * 3;
    float* planes = x + n * plane * 3;
    for (int64_t i = 0; i < plane; ++i) {
      for (int c = 0; c < 3; ++c) {
        planes[c * plane + i] = table[c][image[i * 3 + c]];
      }
    }
  });
}

}  // namespace birbs::portable
