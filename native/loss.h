#pragma once

#include <cstdint>
#include <vector>

namespace birbs {

struct Loss {
  double value = 0;
  int correct = 0;  // images whose largest logit is their label's
  // -log probability[label] of each image, whatever weights and smoothing
  std::vector<float> of_images;
};

// torch.nn.functional.cross_entropy with `weight` (empty: all 1),
// `label_smoothing` and reduction mean: the mean is weighted by the weights of
// the labels. Logits and `gradient` are count x classes; gradient may be null.
// Labels must be in range. `total`: the label_weights that the sums are divided
// by, where these images are part of a larger batch; 0: those of these images.
Loss cross_entropy(const float* logits, const int32_t* labels, int count,
                   int classes, const std::vector<float>& class_weights,
                   float label_smoothing, float* gradient, double total = 0);

// The weights of the labels, added up in their order.
double label_weights(const int32_t* labels, int count,
                     const std::vector<float>& class_weights);

// Row-wise; logits and probabilities are count x classes.
void softmax(const float* logits, int count, int classes, float* probabilities);

}  // namespace birbs
