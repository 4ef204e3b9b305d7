#include "backend.h"

#include <cmath>

#include "optimizer.h"
#include "text.h"

namespace birbs {
namespace {

constexpr int max_batch = 65535, max_threads = 1024;

void check_range(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw Error(std::string("session: expected ") + what + " of " +
              number_text(low) + " to " + number_text(high) + ", found " +
              number_text(value) + ".");
}

void check_positive(const char* what, double value, bool or_zero) {
  if (std::isfinite(value) && (or_zero ? value >= 0 : value > 0)) return;
  throw Error(std::string("session: expected a finite ") + what +
              (or_zero ? " of 0 or more" : " above 0") + ", found " +
              number_text(value) + ".");
}

void check_optimizer(const Optimizer& optimizer) {
  check_positive("weight decay", optimizer.weight_decay, true);
  if (optimizer.kind == OptimizerKind::sgd) {
    check_range("a momentum", optimizer.momentum, 0, 1);
    if (optimizer.nesterov && optimizer.momentum == 0) {
      throw Error(
          "session: Nesterov expects a momentum above 0, found 0; give a "
          "momentum, for example 0.9.");
    }
    return;
  }
  for (double beta : {optimizer.beta1, optimizer.beta2}) {
    if (beta >= 0 && beta < 1) continue;
    throw Error("session: expected betas of 0 to less than 1, found " +
                number_text(beta) + ".");
  }
  check_positive("epsilon", optimizer.epsilon, false);
}

void check_share(const SessionOptions& options, const Batch& batch) {
  const Share& share = batch.share;
  const bool wanted = options.collective != nullptr;
  if (wanted != (share.count > 0)) {
    throw Error(wanted ? "batch: expected the share of this rank, found none."
                       : "batch: expected no share without other ranks, found "
                         "one.");
  }
  const int last = share.first + (share.idle ? 0 : batch.count);
  if (wanted && (share.first < 0 || last > share.count || !share.labels)) {
    throw Error("batch: expected a share within the " +
                std::to_string(share.count) + " images of all ranks, found " +
                std::to_string(share.first) + " to " + std::to_string(last) +
                ".");
  }
}

}  // namespace

void check_session_options(const SessionOptions& options) {
  check_range("a batch size", options.batch_size, 1, max_batch);
  check_range("a number of threads", options.threads, 1, max_threads);
  check_optimizer(options.optimizer);
  check_range("a label smoothing", options.label_smoothing, 0, 1);
  check_positive("clip norm", options.clip_norm, true);
  const auto& weights = options.class_weights;
  if (weights.empty()) return;
  if (static_cast<int64_t>(weights.size()) != options.network.classes) {
    throw Error("session: expected a class weight for each of the " +
                std::to_string(options.network.classes) + " classes, found " +
                std::to_string(weights.size()) + ".");
  }
  for (float weight : weights) check_positive("class weight", weight, false);
}

void check_images(const SessionOptions& options, const uint8_t* images,
                  int count) {
  if (!images) throw Error("batch: expected images, found none.");
  if (count >= 1 && count <= options.batch_size) return;
  throw Error("batch: expected 1 to " + std::to_string(options.batch_size) +
              " images (the batch size), found " + std::to_string(count) + ".");
}

void check_batch(const SessionOptions& options, const Batch& batch) {
  check_images(options, batch.images, batch.count);
  if (!batch.labels) throw Error("batch: expected labels, found none.");
  for (int n = 0; n < batch.count; ++n) {
    int label = batch.labels[n];
    if (label >= 0 && label < options.network.classes) continue;
    throw Error("batch: expected labels of 0 to " +
                std::to_string(options.network.classes - 1) + ", found " +
                std::to_string(label) + " for image " + std::to_string(n) +
                ".");
  }
  check_share(options, batch);
}

void check_learning_rate(float learning_rate) {
  check_positive("learning rate", learning_rate, true);
}

void check_optimizer_state(const SessionOptions& options, const Plan& plan,
                           const OptimizerState& state) {
  int64_t expected = moment_count(options.optimizer) * plan.parameter_count;
  int64_t found = static_cast<int64_t>(state.values.size());
  if (found != expected) {
    throw Error("optimizer state: expected " + std::to_string(expected) +
                " values, found " + std::to_string(found) +
                "; it belongs to another network or optimizer.");
  }
  const Progress& progress = state.progress;
  check_positive("loss scale", progress.loss_scale, true);
  if (progress.skipped <= progress.step) return;
  throw Error("optimizer state: expected at most " +
              std::to_string(progress.step) + " skipped steps, found " +
              std::to_string(progress.skipped) + ".");
}

std::vector<Backend*> all_backends() {
  return {&metal_backend(), &cpu_backend(), &portable_backend()};
}

Backend& get_backend(const std::string& name) {
  for (Backend* backend : all_backends()) {
    if (backend->name() == name) return *backend;
  }
  throw Error("device: expected metal, cpu or portable, found \"" + name +
              "\".");
}

}  // namespace birbs
