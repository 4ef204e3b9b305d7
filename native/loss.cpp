#include "loss.h"

#include <algorithm>
#include <cmath>

namespace birbs {
namespace {

// The logarithm of a row's probabilities. Distances from the largest are float,
// as in PyTorch: what lies beyond its range is infinitely far.
class LogSoftmax {
 public:
  LogSoftmax(const float* row, int classes) : row_(row), largest_(row[0]) {
    for (int c = 1; c < classes; ++c) largest_ = std::max(largest_, row[c]);
    double sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(double{distance(c)});
    log_sum_ = std::log(sum);
  }
  double operator[](int c) const { return double{distance(c)} - log_sum_; }

 private:
  float distance(int c) const { return row_[c] - largest_; }

  const float* row_;
  float largest_;
  double log_sum_ = 0;
};

}  // namespace

Loss cross_entropy(const float* logits, const int32_t* labels, int count,
                   int classes, const std::vector<float>& class_weights,
                   float label_smoothing, float* gradient, double total) {
  auto weight = [&](int c) {
    return class_weights.empty() ? 1.0 : double{class_weights[c]};
  };
  double weights = 0;
  if (total == 0) total = label_weights(labels, count, class_weights);
  for (int c = 0; c < classes; ++c) weights += weight(c);
  const double spread = double{label_smoothing} / classes / total;
  const double peak = (1 - double{label_smoothing}) / total;
  Loss loss;
  loss.of_images.resize(count);
  for (int n = 0; n < count; ++n) {
    const float* row = logits + int64_t{n} * classes;
    const int label = labels[n];
    const LogSoftmax log(row, classes);
    // The loss is -sum of target[c] * log probability[c].
    const double targets = spread * weights + peak * weight(label);
    for (int c = 0; c < classes; ++c) {
      double target =
          spread * weight(c) + (c == label ? peak * weight(c) : 0.0);
      loss.value -= target == 0 ? 0 : target * log[c];
      if (gradient) {
        gradient[int64_t{n} * classes + c] =
            static_cast<float>(targets * std::exp(log[c]) - target);
      }
    }
    loss.of_images[n] = static_cast<float>(-log[label]);
    loss.correct += std::max_element(row, row + classes) - row == label;
  }
  return loss;
}

double label_weights(const int32_t* labels, int count,
                     const std::vector<float>& class_weights) {
  double total = 0;
  for (int n = 0; n < count; ++n) {
    total += class_weights.empty() ? 1.0 : double{class_weights[labels[n]]};
  }
  return total;
}

void softmax(const float* logits, int count, int classes,
             float* probabilities) {
  for (int64_t n = 0; n < count; ++n) {
    const float* row = logits + n * classes;
    const LogSoftmax log(row, classes);
    for (int c = 0; c < classes; ++c) {
      probabilities[n * classes + c] = static_cast<float>(std::exp(log[c]));
    }
  }
}

}  // namespace birbs
