#include "layout.h"

#include <algorithm>

namespace birbs::cpu {

bool Layout::plain() const {
  return block == 1 || (plane() == 1 && shape.channels % block == 0);
}

memory::dims Layout::dims(int count) const {
  return {count, shape.channels, shape.height, shape.width};
}

memory::desc Layout::desc(int count) const {
  return describe_memory(dims(count), tag);
}

std::optional<Layout> layout_of(const memory::desc& desc, const Shape& shape,
                                int count) {
  using tag = memory::format_tag;
  const Layout layouts[] = {{shape, tag::nchw, 1},
                            {shape, tag::nChw16c, 16},
                            {shape, tag::nChw8c, 8},
                            {shape, tag::nChw4c, 4},
                            {shape, tag::nhwc, shape.channels}};
  for (const Layout& layout : layouts) {
    if (layout.desc(count) == desc) return layout;
  }
  return std::nullopt;
}

void pack(const Layout& layout, int count, const float* plain, float* packed) {
  for (int64_t n = 0; n < count; ++n) {
    const float* image = plain + n * layout.shape.size();
    float* target = packed + n * layout.size();
    std::fill_n(target, layout.size(), 0.0f);
    for (int64_t c = 0; c < layout.shape.channels; ++c) {
      for (int64_t i = 0; i < layout.plane(); ++i) {
        target[layout.offset(c, i)] = image[c * layout.plane() + i];
      }
    }
  }
}

void unpack(const Layout& layout, int count, const float* packed,
            float* plain) {
  for (int64_t n = 0; n < count; ++n) {
    const float* source = packed + n * layout.size();
    float* image = plain + n * layout.shape.size();
    for (int64_t c = 0; c < layout.shape.channels; ++c) {
      for (int64_t i = 0; i < layout.plane(); ++i) {
        image[c * layout.plane() + i] = source[layout.offset(c, i)];
      }
    }
  }
}

}  // namespace birbs::cpu
