#pragma once

#include <cstdint>

#include "backend.h"

namespace birbs {

// How many arrays of moments the optimizer keeps: 0, 1 or 2.
int moment_count(const Optimizer& optimizer);

// The factor torch.nn.utils.clip_grad_norm_ puts on every gradient; 1 when
// clip_norm is 0.
float clip_scale(double gradient_norm, float clip_norm);

// The numbers of one step that are the same for every element.
struct UpdateRule {
  OptimizerKind kind;
  bool nesterov;
  float gradient_scale;  // of clipping
  float learning_rate, momentum, weight_decay;
  float decay;             // adamw: 1 - learning_rate * weight_decay
  float beta2;             // adam, adamw
  float weight1, weight2;  // 1 - beta1, 1 - beta2
  float step_size;         // learning_rate / (1 - beta1^t)
  float correction2;       // sqrt(1 - beta2^t)
  float epsilon;
};

// What sets the updates of some parameters apart from those of others.
struct ParameterGroup {
  float rate_factor = 1;
  bool decays = true;
  bool operator==(const ParameterGroup&) const = default;
};
ParameterGroup group_of(const Optimizer& optimizer, const Plan& plan,
                        const Parameter& parameter);

// `steps_taken` is 0 before the first step.
UpdateRule update_rule(const Optimizer& optimizer, const ParameterGroup& group,
                       uint64_t steps_taken, float learning_rate,
                       float gradient_scale);

// Updates `count` elements in place. Elementwise, so any layout and any
// division into chunks gives the same numbers. `first` and `second` are moments
// that begin as 0; null where the optimizer has none.
void update_parameters(const UpdateRule& rule, float* values,
                       const float* gradients, float* first, float* second,
                       int64_t count);

}  // namespace birbs
