#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace birbs {

// Images as fixed features, with a label each.
struct LabelledFeatures {
  std::vector<float> features;  // [labels.size(), width]
  std::vector<int32_t> labels;  // 0 to classes - 1
  int64_t width = 0;
  int classes = 0;
  // One weight a class; all 1 when empty.
  std::vector<float> class_weights;
};

// logits = features * weights' + bias.
struct LinearClassifier {
  std::vector<float> weights;  // [classes, width]
  std::vector<float> bias;     // [classes]
};

struct ClassifierFit {
  LinearClassifier classifier;
  double loss = 0;  // with the penalty
  int iterations = 0;
  bool converged = false;
};

struct FitOptions {
  // Of the penalty l2 / 2 * |w|^2 on the weights of standardised features; the
  // bias is free. scikit-learn's C is 1 / (l2 * the sum of the image weights),
  // for two classes twice that.
  double l2 = 0;
  int most_iterations = 200;
  // Ends when no element of the gradient is larger ...
  double tolerance = 1e-5;
  // ... or when an iteration lowers the loss by no more than this share of it.
  double least_gain = 0;
};

// Multinomial logistic regression by L-BFGS (Liu and Nocedal 1989): the mean,
// by class weight, of softmax cross-entropy, and the penalty. Features are
// standardised with the mean and deviation of these images, which end up
// folded into weights and bias. The numbers don't depend on the number of
// threads. Besides the images it needs memory for the weights and for the
// logits of some thousand images, however many there are.
class ClassifierFitter {
 public:
  // Throws Error when features or labels can't be used.
  ClassifierFitter(LabelledFeatures images, int threads);
  ~ClassifierFitter();

  const LabelledFeatures& images() const;

  // `start`, if not null, is where it begins. Throws Error when the classifier
  // would not be finite.
  ClassifierFit fit(const FitOptions& options, const LinearClassifier* start);

 private:
  class Objective;
  std::unique_ptr<Objective> objective_;
};

}  // namespace birbs
