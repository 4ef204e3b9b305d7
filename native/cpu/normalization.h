#pragma once

#include "layout.h"

namespace birbs::cpu {

// uint8 H, W, 3 images to (pixel / 255 - mean) / std in the layout.
void normalize(const Network& network, const Layout& layout, int count,
               const uint8_t* images, float* x);

}  // namespace birbs::cpu
