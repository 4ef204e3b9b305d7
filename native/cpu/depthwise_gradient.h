#pragma once

#include "layers.h"
#include "layout.h"
#include "onednn.h"

namespace birbs::cpu {

// Whether depthwise_weight_gradient knows this convolution: one filter for each
// channel, 3, 5 or 7 wide, channels in blocks of a register.
bool serves_depthwise(const Layer& layer, const Layout& in, const Layout& out,
                      const memory::desc& weights);

// The gradient of its weights, in the layout that oneDNN's forward has them,
// over `count` images; added to what is there with `add`. No number depends on
// how many threads there are. oneDNN itself has no such kernel but for 3x3.
void depthwise_weight_gradient(const Layer& layer, const Layout& in,
                               const Layout& out, int count, const float* x,
                               const float* dy, bool add, float* weights);

}  // namespace birbs::cpu
