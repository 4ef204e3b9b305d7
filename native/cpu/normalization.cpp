#include "normalization.h"

#include "parallel.h"

namespace birbs::cpu {
namespace {

struct Table {
  float values[3][256];

  explicit Table(const Network& network) {
    for (int c = 0; c < 3; ++c) {
      for (int pixel = 0; pixel < 256; ++pixel) {
        values[c][pixel] = (static_cast<float>(pixel) / 255 - network.mean[c]) /
                           network.std[c];
      }
    }
  }
};

}  // namespace

void normalize(const Network& network, const Layout& layout, int count,
               const uint8_t* images, float* x) {
  const Table table(network);
  const int64_t plane = layout.plane(), width = layout.shape.width;
  const int64_t rows = int64_t{count} * layout.shape.height;
  // Channels of a pixel are `step` apart, pixels `block`.
  const int64_t step = layout.block == 1 ? plane : 1;
  parallel(rows, rows * width * 3, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const uint8_t* pixels = images + row * width * 3;
      float* target = x + row / layout.shape.height * layout.size() +
                      row % layout.shape.height * width * layout.block;
      for (int64_t i = 0; i < width; ++i) {
        for (int c = 0; c < 3; ++c) {
          target[i * layout.block + c * step] =
              table.values[c][pixels[i * 3 + c]];
        }
        // Channels that fill up a block: others have used this memory.
        for (int c = 3; c < layout.block; ++c) {
          target[i * layout.block + c] = 0;
        }
      }
    }
  });
}

}  // namespace birbs::cpu
