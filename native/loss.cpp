#include "loss.h"

#include <algorithm>
#include <cmath>

namespace birbs {
namespace {

// log of the sum of the exponentials of a row.
double log_sum(const float* row, int classes) {
  double largest = *std::max_element(row, row + classes);
  double sum = 0;
  for (int c = 0; c < classes; ++c) sum += std::exp(row[c] - largest);
  return largest + std::log(sum);
}

}  // namespace

Loss cross_entropy(const float* logits, const int32_t* labels, int count,
                   int classes, const std::vector<float>& class_weights,
                   float label_smoothing, float* gradient) {
  auto weight = [&](int c) {
    return class_weights.empty() ? 1.0 : double{class_weights[c]};
  };
  double total = 0, weights = 0;
  for (int n = 0; n < count; ++n) total += weight(labels[n]);
  for (int c = 0; c < classes; ++c) weights += weight(c);
  const double spread = double{label_smoothing} / classes / total;
  const double peak = (1 - double{label_smoothing}) / total;
  Loss loss;
  loss.of_images.resize(count);
  for (int n = 0; n < count; ++n) {
    const float* row = logits + int64_t{n} * classes;
    const int label = labels[n];
    const double norm = log_sum(row, classes);
    // The loss is -sum of target[c] * log probability[c].
    const double targets = spread * weights + peak * weight(label);
    for (int c = 0; c < classes; ++c) {
      double target =
          spread * weight(c) + (c == label ? peak * weight(c) : 0.0);
      loss.value -= target == 0 ? 0 : target * (row[c] - norm);
      if (gradient) {
        gradient[int64_t{n} * classes + c] =
            static_cast<float>(targets * std::exp(row[c] - norm) - target);
      }
    }
    loss.of_images[n] = static_cast<float>(norm - row[label]);
    loss.correct += std::max_element(row, row + classes) - row == label;
  }
  return loss;
}

void softmax(const float* logits, int count, int classes,
             float* probabilities) {
  for (int64_t n = 0; n < count; ++n) {
    const float* row = logits + n * classes;
    const double norm = log_sum(row, classes);
    for (int c = 0; c < classes; ++c) {
      probabilities[n * classes + c] =
          static_cast<float>(std::exp(row[c] - norm));
    }
  }
}

}  // namespace birbs
