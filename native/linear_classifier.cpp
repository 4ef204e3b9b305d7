#include "linear_classifier.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

#include "backend.h"
#include "portable/gemm.h"
#include "portable/threads.h"
#include "softmax_rows.h"

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
  for (size_t i = 0; i < images.labels.size(); ++i) {
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

// The last steps and what they did to the gradient.
class Memory {
 public:
  explicit Memory(size_t size)
      : most_(std::clamp(most_bytes / (2 * sizeof(double) * size), size_t{3},
                         size_t{8})) {}

  void add(Vector step, Vector change) {
    const double curvature = dot(step, change);
    if (curvature <= 1e-10 * dot(change, change)) return;
    if (pairs_.size() == most_) pairs_.pop_front();
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
  static constexpr size_t most_bytes = 512 << 20;

  static void subtract(Vector& from, const Vector& values, double share) {
    for (size_t i = 0; i < from.size(); ++i) from[i] -= share * values[i];
  }

  size_t most_;
  std::deque<Pair> pairs_;
};

Vector between(const Vector& to, const Vector& from) {
  Vector result(to.size());
  for (size_t i = 0; i < to.size(); ++i) result[i] = to[i] - from[i];
  return result;
}

// Halves the step until the loss falls as far as the slope promises (Armijo).
template <typename Loss>
bool search(const Loss& loss_at, const Vector& direction, double slope,
            Vector* at, double* loss, Vector* gradient) {
  const Vector from = *at;
  const double before = *loss;
  double step = 1;
  for (int tries = 0; tries < 30; ++tries, step *= 0.5) {
    for (size_t i = 0; i < from.size(); ++i) {
      (*at)[i] = from[i] + step * direction[i];
    }
    *loss = loss_at(*at, gradient);
    if (*loss <= before + 1e-4 * step * slope) return true;
  }
  *at = from;
  *loss = loss_at(*at, gradient);
  return false;
}

}  // namespace

// The loss and its gradient, as a function of the weights of standardised
// features, [classes, width], and the bias behind them.
class ClassifierFitter::Objective {
 public:
  Objective(LabelledFeatures images, int threads)
      : images_(std::move(images)),
        count_(static_cast<int64_t>(images_.labels.size())),
        stride_((images_.classes + row_alignment - 1) / row_alignment *
                row_alignment),
        block_rows_(std::clamp(block_values / stride_ / task_rows, int64_t{1},
                               most_tasks) *
                    task_rows),
        threads_(threads),
        mean_(static_cast<size_t>(images_.width)),
        scale_(static_cast<size_t>(images_.width)),
        weights_(weight_count()),
        rows_(static_cast<size_t>(block_rows_ * stride_)),
        products_(weight_count()),
        task_losses_(static_cast<size_t>(block_rows_ / task_rows)),
        bias_gradient_(static_cast<size_t>(images_.classes)) {
    check(images_);
    measure();
    for (int64_t i = 0; i < count_; ++i) total_ += weight_of(i);
  }

  const LabelledFeatures& images() const { return images_; }

  size_t size() const {
    return weight_count() + static_cast<size_t>(images_.classes);
  }

  double operator()(double l2, const Vector& at, Vector* gradient) {
    const LinearClassifier folded = fold(at);
    std::copy(folded.weights.begin(), folded.weights.end(), weights_.begin());
    std::fill(bias_gradient_.begin(), bias_gradient_.end(), 0);
    double loss = 0;
    for (int64_t first = 0; first < count_; first += block_rows_) {
      const int64_t rows = std::min(block_rows_, count_ - first);
      loss += add_cross_entropy(first, rows, folded.bias);
      add_products(first, rows);
    }
    double squares = 0;
    for (size_t i = 0; i < weight_count(); ++i) squares += at[i] * at[i];
    fill_gradient(l2, at, gradient);
    return loss + 0.5 * l2 * squares;
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
  // Rows that a thread takes at a time; rows whose logits are kept at a time,
  // and about how many logits that may be (16 MB).
  static constexpr int64_t task_rows = 256, most_tasks = 16;
  static constexpr int64_t block_values = 1 << 22;

  size_t weight_count() const {
    return static_cast<size_t>(images_.width * images_.classes);
  }
  double weight_of(int64_t image) const {
    const auto& weights = images_.class_weights;
    return weights.empty() ? 1.0
                           : weights[static_cast<size_t>(
                                 images_.labels[static_cast<size_t>(image)])];
  }

  // A feature that is the same everywhere says nothing: its weight is 0.
  void measure() {
    const int64_t count = count_, width = images_.width;
    const float* features = images_.features.data();
    constexpr int64_t share = 64;
    threads_.run((width + share - 1) / share, [&](int64_t part) {
      const int64_t first = part * share, last = std::min(first + share, width);
      double sums[share] = {}, squares[share] = {};
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t j = first; j < last; ++j) {
          sums[j - first] += features[i * width + j];
        }
      }
      for (double& sum : sums) sum /= static_cast<double>(count);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t j = first; j < last; ++j) {
          const double off = features[i * width + j] - sums[j - first];
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

  // Leaves (probability - target) * weight / total of each image and class of
  // a block.
  double add_cross_entropy(int64_t first, int64_t rows,
                           const std::vector<float>& bias) {
    const int64_t width = images_.width, classes = images_.classes;
    const int64_t tasks = (rows + task_rows - 1) / task_rows;
    threads_.run(tasks, [&](int64_t task) {
      const int64_t begin = task * task_rows;
      const int64_t end = std::min(begin + task_rows, rows);
      portable::gemm(
          end - begin, classes, width,
          {images_.features.data() + (first + begin) * width, width, 1},
          {weights_.data(), 1, width}, rows_.data() + begin * stride_, stride_,
          false);
      const LogitRows logits{rows_.data(), stride_, images_.classes};
      double loss = 0;
      for (int64_t i = begin; i < end; ++i) {
        const auto image = static_cast<size_t>(first + i);
        loss += softmax_gradient(logits, i, bias.data(), images_.labels[image],
                                 weight_of(first + i) / total_);
      }
      task_losses_[static_cast<size_t>(task)] = loss;
    });
    double loss = 0;
    for (int64_t task = 0; task < tasks; ++task) {
      loss += task_losses_[static_cast<size_t>(task)];
    }
    return loss;
  }

  // The block's share of the gradient for features as they are.
  void add_products(int64_t first, int64_t rows) {
    const int64_t width = images_.width, classes = images_.classes;
    constexpr int64_t share = 128;
    const int64_t shares = (width + share - 1) / share;
    threads_.run(shares + 1, [&](int64_t index) {
      if (index == shares) return add_bias_gradient(rows);
      const int64_t column = index * share;
      portable::gemm(
          classes, std::min(share, width - column), rows,
          {rows_.data(), 1, stride_},
          {images_.features.data() + first * width + column, width, 1},
          products_.data() + column, width, first > 0);
    });
  }

  void add_bias_gradient(int64_t rows) {
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = rows_.data() + i * stride_;
      for (size_t k = 0; k < bias_gradient_.size(); ++k) {
        bias_gradient_[k] += row[k];
      }
    }
  }

  void fill_gradient(double l2, const Vector& at, Vector* gradient) const {
    const int64_t width = images_.width, classes = images_.classes;
    for (int64_t k = 0; k < classes; ++k) {
      const double bias = bias_gradient_[static_cast<size_t>(k)];
      (*gradient)[weight_count() + static_cast<size_t>(k)] = bias;
      for (int64_t j = 0; j < width; ++j) {
        const auto at_weight = static_cast<size_t>(k * width + j);
        const auto column = static_cast<size_t>(j);
        (*gradient)[at_weight] =
            (products_[at_weight] - bias * mean_[column]) * scale_[column] +
            l2 * at[at_weight];
      }
    }
  }

  LabelledFeatures images_;
  int64_t count_, stride_, block_rows_;
  double total_ = 0;
  portable::Threads threads_;
  Vector mean_, scale_;
  std::vector<float> weights_, rows_, products_;
  Vector task_losses_, bias_gradient_;
};

ClassifierFitter::ClassifierFitter(LabelledFeatures images, int threads)
    : objective_(std::make_unique<Objective>(std::move(images), threads)) {}

ClassifierFitter::~ClassifierFitter() = default;

const LabelledFeatures& ClassifierFitter::images() const {
  return objective_->images();
}

ClassifierFit ClassifierFitter::fit(const FitOptions& options,
                                    const LinearClassifier* start) {
  Objective& objective = *objective_;
  const auto loss_at = [&](const Vector& at, Vector* gradient) {
    return objective(options.l2, at, gradient);
  };
  Vector at = start ? objective.unfold(*start) : Vector(objective.size());
  Vector gradient(at.size());
  ClassifierFit fit;
  fit.loss = loss_at(at, &gradient);
  Memory memory(at.size());
  while (fit.iterations < options.most_iterations) {
    fit.converged = largest(gradient) <= options.tolerance;
    if (fit.converged) break;
    const Vector direction = memory.direction(gradient);
    const Vector before = at, gradient_before = gradient;
    const double loss_before = fit.loss;
    if (!search(loss_at, direction, dot(direction, gradient), &at, &fit.loss,
                &gradient)) {
      break;  // at the precision of float32 products
    }
    ++fit.iterations;
    fit.converged = loss_before - fit.loss <= options.least_gain * fit.loss;
    if (fit.converged) break;
    memory.add(between(at, before), between(gradient, gradient_before));
  }
  if (!std::isfinite(fit.loss)) {
    throw Error("The classifier's loss is not a finite number");
  }
  fit.classifier = objective.fold(at);
  return fit;
}

}  // namespace birbs
