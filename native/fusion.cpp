#include "fusion.h"

#include <cmath>

namespace birbs {
namespace {

// The layer behind a value if it alone reads it and comes next, else -1.
int only_reader(const Plan& plan, int value, int target) {
  const std::vector<int>& readers = plan.readers[value];
  if (value == target || readers.size() != 1) return -1;
  return readers[0] == value ? value : -1;
}

}  // namespace

Fusion fuse_convolution(const Plan& plan, int layer, int target) {
  Fusion fusion;
  fusion.output = layer + 1;
  for (;;) {
    const int next = only_reader(plan, fusion.output, target);
    if (next < 0) return fusion;
    const OpKind kind = plan.layers[next].kind;
    if (kind == OpKind::batch_norm2d && fusion.norm < 0 && fusion.addend < 0) {
      fusion.norm = next;
    } else if (kind == OpKind::add && fusion.addend < 0) {
      const std::vector<int>& inputs = plan.inputs[next];
      const int other = inputs[inputs[0] == fusion.output ? 1 : 0];
      if (other > layer) return fusion;  // not there yet
      fusion.addend = other;
      fusion.add = next;
    } else if (kind == OpKind::relu || kind == OpKind::relu6) {
      fusion.activation = next;
      fusion.output = next + 1;
      return fusion;
    } else {
      return fusion;
    }
    fusion.output = next + 1;
  }
}

std::vector<bool> layers_before(const Plan& plan, int target) {
  std::vector<bool> needed(plan.layers.size());
  if (target > 0) needed[target - 1] = true;
  for (size_t i = plan.layers.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (int value : plan.inputs[i]) {
      if (value > 0) needed[value - 1] = true;
    }
  }
  return needed;
}

ScaleShift scale_shift(const float* weight, const float* bias,
                       const float* mean, const float* variance, int channels,
                       float epsilon) {
  ScaleShift result;
  for (int c = 0; c < channels; ++c) {
    const double scale = weight[c] / std::sqrt(double{variance[c]} + epsilon);
    result.scale.push_back(scale);
    result.shift.push_back(bias[c] - mean[c] * scale);
  }
  return result;
}

}  // namespace birbs
