#pragma once

#include "network.h"

namespace birbs {

// What follows a convolution and can be done together with it in inference:
// batch norm as other weights and another bias, then another value added, then
// an activation. Layers and values that there are not: -1.
struct Fusion {
  int norm = -1;        // layer
  int addend = -1;      // value
  int add = -1;         // layer; the value before it has the same number
  int activation = -1;  // layer: relu or relu6
  int output = 0;       // the value that leaves it all
};

// `target` is a value that must come out itself.
Fusion fuse_convolution(const Plan& plan, int layer, int target);

// The layers that `target` depends on, in order; `layers[i]` says whether
// layer i is one.
std::vector<bool> layers_before(const Plan& plan, int target);

// 1 / sqrt(variance + epsilon) * weight for each channel, and what to add, so
// that x * scale + shift is the batch norm with its running statistics.
struct ScaleShift {
  std::vector<double> scale, shift;
};
ScaleShift scale_shift(const float* weight, const float* bias,
                       const float* mean, const float* variance, int channels,
                       float epsilon);

}  // namespace birbs
