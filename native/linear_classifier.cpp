#include "linear_classifier.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

#include "backend.h"
#include "portable/gemm.h"
#include "portable/threads.h"

namespace birbs {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double largest(const Vector& values) {
  double most = 0;
  for (double value : values) most = std::max(most, std::abs(value));
  return most;
}

void check(const LabelledFeatures& images) {
  std::vector<int64_t> members(static_cast<size_t>(images.classes));
  for (int64_t i = 0; i < images.count; ++i) {
    const int32_t label = images.labels[i];
    if (label < 0 || label >= images.classes) {
      throw Error("Expected labels from 0 to " +
                  std::to_string(images.classes - 1) + ", but image " +
                  std::to_string(i) + " has " + std::to_string(label));
    }
    ++members[static_cast<size_t>(label)];
  }
  if (std::count_if(members.begin(), members.end(),
                    [](int64_t count) { return count > 0; }) < 2) {
    throw Error("Expected images of at least two classes to fit a classifier");
  }
}

// The loss and its gradient, as a function of the weights of standardised
// features, [classes, width], and the bias behind them.
class Objective {
 public:
  Objective(const LabelledFeatures& images, const FitOptions& options)
      : images_(images),
        l2_(options.l2),
        threads_(options.threads),
        mean_(static_cast<size_t>(images.width)),
        scale_(static_cast<size_t>(images.width)),
        weights_(weight_count()),
        probabilities_(static_cast<size_t>(images.count * images.classes)),
        products_(weight_count()),
        block_losses_(static_cast<size_t>(blocks())) {
    measure();
    for (int64_t i = 0; i < images.count; ++i) total_ += weight_of(i);
  }

  size_t size() const {
    return weight_count() + static_cast<size_t>(images_.classes);
  }

  double operator()(const Vector& at, Vector* gradient) {
    const LinearClassifier folded = fold(at);
    std::copy(folded.weights.begin(), folded.weights.end(), weights_.begin());
    double loss = add_cross_entropy(folded.bias);
    double squares = 0;
    for (size_t i = 0; i < weight_count(); ++i) squares += at[i] * at[i];
    fill_gradient(at, gradient);
    return loss + 0.5 * l2_ * squares;
  }

  // For features as they are.
  LinearClassifier fold(const Vector& at) const {
    const auto width = static_cast<size_t>(images_.width);
    const auto classes = static_cast<size_t>(images_.classes);
    LinearClassifier folded;
    folded.weights.resize(weight_count());
    for (size_t k = 0; k < classes; ++k) {
      double bias = at[weight_count() + k];
      for (size_t j = 0; j < width; ++j) {
        const double weight = at[k * width + j] * scale_[j];
        folded.weights[k * width + j] = static_cast<float>(weight);
        bias -= weight * mean_[j];
      }
      folded.bias.push_back(static_cast<float>(bias));
    }
    return folded;
  }

  Vector unfold(const LinearClassifier& classifier) const {
    const auto width = static_cast<size_t>(images_.width);
    Vector at(size());
    for (size_t k = 0; k < static_cast<size_t>(images_.classes); ++k) {
      double bias = classifier.bias[k];
      for (size_t j = 0; j < width; ++j) {
        const double weight = classifier.weights[k * width + j];
        if (scale_[j] > 0) at[k * width + j] = weight / scale_[j];
        bias += weight * mean_[j];
      }
      at[weight_count() + k] = bias;
    }
    return at;
  }

 private:
  static constexpr int64_t block_rows = 256;

  size_t weight_count() const {
    return static_cast<size_t>(images_.width * images_.classes);
  }
  int64_t blocks() const {
    return (images_.count + block_rows - 1) / block_rows;
  }
  double weight_of(int64_t image) const {
    const auto& weights = images_.class_weights;
    return weights.empty()
               ? 1.0
               : weights[static_cast<size_t>(images_.labels[image])];
  }

  // A feature that is the same everywhere says nothing: its weight is 0.
  void measure() {
    const int64_t count = images_.count, width = images_.width;
    constexpr int64_t share = 64;
    threads_.run((width + share - 1) / share, [&](int64_t part) {
      const int64_t first = part * share, last = std::min(first + share, width);
      double sums[share] = {}, squares[share] = {};
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t j = first; j < last; ++j) {
          sums[j - first] += images_.features[i * width + j];
        }
      }
      for (double& sum : sums) sum /= static_cast<double>(count);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t j = first; j < last; ++j) {
          const double off = images_.features[i * width + j] - sums[j - first];
          squares[j - first] += off * off;
        }
      }
      for (int64_t j = first; j < last; ++j) {
        const double deviation =
            std::sqrt(squares[j - first] / static_cast<double>(count));
        const double mean = sums[j - first];
        mean_[static_cast<size_t>(j)] = mean;
        scale_[static_cast<size_t>(j)] =
            deviation > 1e-6 * std::max(1.0, std::abs(mean)) ? 1 / deviation
                                                             : 0;
        if (!std::isfinite(deviation)) scale_[static_cast<size_t>(j)] = NAN;
      }
    });
    if (std::any_of(scale_.begin(), scale_.end(),
                    [](double scale) { return std::isnan(scale); })) {
      throw Error("Expected finite features, but found NaN or infinity");
    }
  }

  // Leaves (probability - target) * weight / total of each image and class.
  double add_cross_entropy(const std::vector<float>& bias) {
    const int64_t width = images_.width, classes = images_.classes;
    threads_.run(blocks(), [&](int64_t block) {
      const int64_t first = block * block_rows;
      const int64_t rows = std::min(block_rows, images_.count - first);
      float* logits = probabilities_.data() + first * classes;
      portable::gemm(rows, classes, width,
                     {images_.features + first * width, width, 1},
                     {weights_.data(), 1, width}, logits, classes, false);
      double loss = 0;
      for (int64_t i = 0; i < rows; ++i) {
        loss += settle_row(first + i, logits + i * classes, bias);
      }
      block_losses_[static_cast<size_t>(block)] = loss;
    });
    double loss = 0;
    for (double part : block_losses_) loss += part;
    return loss / total_;
  }

  double settle_row(int64_t image, float* row, const std::vector<float>& bias) {
    const int classes = images_.classes;
    const int label = images_.labels[image];
    const double weight = weight_of(image);
    double most = -INFINITY, sum = 0;
    for (int k = 0; k < classes; ++k) {
      row[k] += bias[static_cast<size_t>(k)];
      most = std::max(most, static_cast<double>(row[k]));
    }
    for (int k = 0; k < classes; ++k) sum += std::exp(row[k] - most);
    const double log_sum = most + std::log(sum);
    const double loss = weight * (log_sum - row[label]);
    for (int k = 0; k < classes; ++k) {
      const double off = std::exp(row[k] - log_sum) - (k == label ? 1 : 0);
      row[k] = static_cast<float>(off * weight / total_);
    }
    return loss;
  }

  void fill_gradient(const Vector& at, Vector* gradient) {
    const int64_t width = images_.width, classes = images_.classes;
    portable::gemm(threads_, classes, width, images_.count,
                   {probabilities_.data(), 1, classes},
                   {images_.features, width, 1}, products_.data(), width);
    for (int64_t k = 0; k < classes; ++k) {
      double bias = 0;
      for (int64_t i = 0; i < images_.count; ++i) {
        bias += probabilities_[static_cast<size_t>(i * classes + k)];
      }
      (*gradient)[weight_count() + static_cast<size_t>(k)] = bias;
      for (int64_t j = 0; j < width; ++j) {
        const auto at_weight = static_cast<size_t>(k * width + j);
        const auto column = static_cast<size_t>(j);
        (*gradient)[at_weight] =
            (products_[at_weight] - bias * mean_[column]) * scale_[column] +
            l2_ * at[at_weight];
      }
    }
  }

  const LabelledFeatures& images_;
  double l2_, total_ = 0;
  portable::Threads threads_;
  Vector mean_, scale_;
  std::vector<float> weights_, probabilities_, products_;
  Vector block_losses_;
};

// The last steps and what they did to the gradient.
class Memory {
 public:
  void add(Vector step, Vector change) {
    const double curvature = dot(step, change);
    if (curvature <= 1e-10 * dot(change, change)) return;
    if (pairs_.size() == most) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), 1 / curvature});
  }

  // Minus the gradient, by the inverse curvature that the pairs tell.
  Vector direction(const Vector& gradient) const {
    Vector result = gradient;
    std::vector<double> shares(pairs_.size());
    for (size_t i = pairs_.size(); i-- > 0;) {
      shares[i] = pairs_[i].inverse * dot(pairs_[i].step, result);
      subtract(result, pairs_[i].change, shares[i]);
    }
    const double scale =
        pairs_.empty() ? 1 / std::max(1.0, std::sqrt(dot(gradient, gradient)))
                       : 1 / (pairs_.back().inverse *
                              dot(pairs_.back().change, pairs_.back().change));
    for (double& value : result) value *= scale;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const double share = pairs_[i].inverse * dot(pairs_[i].change, result);
      subtract(result, pairs_[i].step, share - shares[i]);
    }
    for (double& value : result) value = -value;
    return result;
  }

 private:
  struct Pair {
    Vector step, change;
    double inverse;
  };
  static constexpr size_t most = 8;

  static void subtract(Vector& from, const Vector& values, double share) {
    for (size_t i = 0; i < from.size(); ++i) from[i] -= share * values[i];
  }

  std::deque<Pair> pairs_;
};

Vector between(const Vector& to, const Vector& from) {
  Vector result(to.size());
  for (size_t i = 0; i < to.size(); ++i) result[i] = to[i] - from[i];
  return result;
}

// Halves the step until the loss falls as far as the slope promises (Armijo).
bool search(Objective& objective, const Vector& direction, double slope,
            Vector* at, double* loss, Vector* gradient) {
  const Vector from = *at;
  const double before = *loss;
  double step = 1;
  for (int tries = 0; tries < 30; ++tries, step *= 0.5) {
    for (size_t i = 0; i < from.size(); ++i) {
      (*at)[i] = from[i] + step * direction[i];
    }
    *loss = objective(*at, gradient);
    if (*loss <= before + 1e-4 * step * slope) return true;
  }
  *at = from;
  *loss = objective(*at, gradient);
  return false;
}

}  // namespace

ClassifierFit fit_classifier(const LabelledFeatures& images,
                             const FitOptions& options,
                             const LinearClassifier* start) {
  check(images);
  Objective objective(images, options);
  Vector at = start ? objective.unfold(*start) : Vector(objective.size());
  Vector gradient(at.size());
  ClassifierFit fit;
  fit.loss = objective(at, &gradient);
  Memory memory;
  while (fit.iterations < options.most_iterations) {
    fit.converged = largest(gradient) <= options.tolerance;
    if (fit.converged) break;
    const Vector direction = memory.direction(gradient);
    const Vector before = at, gradient_before = gradient;
    if (!search(objective, direction, dot(direction, gradient), &at, &fit.loss,
                &gradient)) {
      break;  // as low as float32 products can tell
    }
    memory.add(between(at, before), between(gradient, gradient_before));
    ++fit.iterations;
  }
  if (!std::isfinite(fit.loss)) {
    throw Error("The classifier's loss is not a finite number");
  }
  fit.classifier = objective.fold(at);
  return fit;
}

}  // namespace birbs
