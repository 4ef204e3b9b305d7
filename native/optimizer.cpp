#include "optimizer.h"

#include <cmath>

#include "simd.h"

namespace birbs {
namespace {

BIRBS_INLINE void update_sgd(const UpdateRule& rule, float* values,
                             const float* gradients, float* momenta,
                             int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float gradient = gradients[i] * rule.gradient_scale;
    gradient += rule.weight_decay * values[i];
    if (momenta) {
      momenta[i] = rule.momentum * momenta[i] + gradient;
      gradient =
          rule.nesterov ? gradient + rule.momentum * momenta[i] : momenta[i];
    }
    values[i] -= rule.learning_rate * gradient;
  }
}

BIRBS_INLINE void update_adam(const UpdateRule& rule, float* values,
                              const float* gradients, float* first,
                              float* second, int64_t count) {
  // adam adds the decay to the gradient, adamw takes it off the value.
  float added = rule.kind == OptimizerKind::adam ? rule.weight_decay : 0;
  for (int64_t i = 0; i < count; ++i) {
    float gradient = gradients[i] * rule.gradient_scale + added * values[i];
    first[i] += rule.weight1 * (gradient - first[i]);
    second[i] = rule.beta2 * second[i] + rule.weight2 * gradient * gradient;
    float size = std::sqrt(second[i]) / rule.correction2 + rule.epsilon;
    values[i] = values[i] * rule.decay - rule.step_size * (first[i] / size);
  }
}

}  // namespace

int moment_count(const Optimizer& optimizer) {
  if (optimizer.kind != OptimizerKind::sgd) return 2;
  return optimizer.momentum > 0 ? 1 : 0;
}

float clip_scale(double gradient_norm, float clip_norm) {
  if (clip_norm <= 0) return 1;
  double scale = clip_norm / (gradient_norm + 1e-6);
  return scale >= 1 ? 1.0f : static_cast<float>(scale);
}

ParameterGroup group_of(const Optimizer& optimizer, const Plan& plan,
                        const Parameter& parameter) {
  return {plan.layers[parameter.layer].learning_rate_factor,
          optimizer.decay_norms_and_biases || parameter.shape.size() > 1};
}

UpdateRule update_rule(const Optimizer& optimizer, const ParameterGroup& group,
                       uint64_t steps_taken, float learning_rate,
                       float gradient_scale) {
  double t = static_cast<double>(steps_taken) + 1;
  double rate = double{learning_rate} * group.rate_factor;
  double decay = group.decays ? optimizer.weight_decay : 0;
  double beta1 = optimizer.beta1, beta2 = optimizer.beta2;
  bool decoupled = optimizer.kind == OptimizerKind::adamw;
  auto narrow = [](double value) { return static_cast<float>(value); };
  return {
      .kind = optimizer.kind,
      .nesterov = optimizer.nesterov,
      .gradient_scale = gradient_scale,
      .learning_rate = narrow(rate),
      .momentum = narrow(optimizer.momentum),
      .weight_decay = narrow(decay),
      .decay = decoupled ? narrow(1 - rate * decay) : 1.0f,
      .beta2 = narrow(beta2),
      .weight1 = narrow(1 - beta1),
      .weight2 = narrow(1 - beta2),
      .step_size = narrow(rate / (1 - std::pow(beta1, t))),
      .correction2 = narrow(std::sqrt(1 - std::pow(beta2, t))),
      .epsilon = narrow(optimizer.epsilon),
  };
}

void update_parameters(const UpdateRule& rule, float* values,
                       const float* gradients, float* first, float* second,
                       int64_t count) {
  if (rule.kind == OptimizerKind::sgd) {
    vectorized<update_sgd>(rule, values, gradients, first, count);
  } else {
    vectorized<update_adam>(rule, values, gradients, first, second, count);
  }
}

}  // namespace birbs
