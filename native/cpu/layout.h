#pragma once

#include <optional>

#include "onednn.h"

namespace birbs::cpu {

// How one image (or row of features) lies in memory: groups of `block` channels
// side by side for each pixel. 1 is C, H, W; all channels is H, W, C; 16 fills
// an AVX-512 register, and channels that fill up the last block stay 0.
struct Layout {
  Shape shape;
  memory::format_tag tag = memory::format_tag::nchw;
  int block = 1;

  int64_t plane() const { return int64_t{shape.height} * shape.width; }
  int64_t blocks() const { return (shape.channels + block - 1) / block; }
  int64_t size() const { return blocks() * block * plane(); }
  int64_t offset(int64_t channel, int64_t pixel) const {
    return (channel / block * plane() + pixel) * block + channel % block;
  }
  // Whether memory is in C, H, W order without gaps.
  bool plain() const;
  memory::dims dims(int count) const;
  memory::desc desc(int count) const;
};

// Empty for a layout that we do not use.
std::optional<Layout> layout_of(const memory::desc& desc, const Shape& shape,
                                int count);

// Between C, H, W order and the layout, `count` images.
void pack(const Layout& layout, int count, const float* plain, float* packed);
void unpack(const Layout& layout, int count, const float* packed, float* plain);

}  // namespace birbs::cpu
