#include <algorithm>
#include <utility>

#include "backend.h"
#include "device.h"
#include "engine.h"
#include "failure.h"
#include "limits.h"
#include "probes.h"

namespace birbs {

namespace {

void throw_if(const std::string& failed) {
  if (!failed.empty()) throw Error(failed);
}

void check_labels(const Operation& operation,
                  const std::vector<TensorView>& inputs) {
  if (operation.kind == OpKind::cross_entropy ||
      operation.kind == OpKind::cross_entropy_gradient) {
    read_labels(inputs[1], inputs[0].shape[1]);  // throws for one out of range
  }
}

// A session on the Apple GPU: turns the engine's sentences into Errors.
class MetalSession final : public Session {
 public:
  explicit MetalSession(const SessionOptions& options)
      : options_(options),
        plan_(plan_network(options.network, options.batch_size)) {
    check_session_options(options);
    metal::check_limits(plan_, options.batch_size);
    const std::vector<float> parameters = init_parameters(plan_, options.seed);
    std::string failed;
    engine_ = metal::make_engine(options_, plan_, parameters.data(), &failed);
    throw_if(failed);
  }

  void train_step(const Batch& batch, float learning_rate,
                  std::function<void(StepResult)> done) override {
    StepResult refused;
    try {
      check_batch(options_, batch);
      check_learning_rate(learning_rate);
    } catch (const Error& error) {
      refused.error = error.what();
      done(refused);
      return;
    }
    const auto answer = [this, done](StepResult result) {
      if (!result.error.empty() && engine_->is_transient()) {
        result.code = device_fault;
      }
      done(std::move(result));
    };
    refused.error = engine_->train(batch, learning_rate, answer);
    if (!refused.error.empty()) answer(refused);
  }

  void predict(const uint8_t* images, int count, float* logits) override {
    check_images(options_, images, count);
    check(engine_->predict(images, count, logits));
  }

  void activations(const uint8_t* images, int count, int value,
                   float* output) override {
    check_images(options_, images, count);
    check(engine_->activations(images, count, value, output));
  }

  StepResult gradients(const Batch& batch, float* gradients,
                       float* logits) override {
    check_batch(options_, batch);
    StepResult result;
    check(engine_->gradients(batch, gradients, logits, &result));
    return result;
  }

  void get_parameters(float* values) override {
    std::vector<float> parameters;
    check(engine_->get(&parameters, nullptr));
    std::copy(parameters.begin(), parameters.end(), values);
  }

  void set_parameters(const float* values) override {
    check(engine_->set(values, nullptr));
  }

  OptimizerState get_optimizer_state() override {
    OptimizerState state;
    check(engine_->get(nullptr, &state));
    return state;
  }

  void set_optimizer_state(const OptimizerState& state) override {
    check_optimizer_state(options_, plan_, state);
    check(engine_->set(nullptr, &state));
  }

  void restore(const float* values, const OptimizerState& state) override {
    check_optimizer_state(options_, plan_, state);
    check(engine_->restore(values, state));
  }

  int64_t memory_bytes() const override { return engine_->memory_bytes(); }

 private:
  void check(const std::string& failed) const {
    if (failed.empty()) return;
    if (engine_->is_transient()) throw DeviceFault(failed);
    throw Error(failed);
  }

  const SessionOptions options_;
  const Plan plan_;
  std::unique_ptr<metal::Engine> engine_;
};

class MetalBackend final : public Backend {
 public:
  MetalBackend() : unavailable_(metal::find_device(&facts_)) {}

  std::string name() const override { return "metal"; }
  std::string unavailable() const override { return unavailable_; }
  std::string no_half_precision() const override { return ""; }
  std::string no_ranks() const override {
    return "the device metal trains in one process only; use device cpu for "
           "several";
  }
  std::string description() const override {
    return facts_.name + " (" + facts_.family + "), " + facts_.system +
           (facts_.unified_memory ? ", unified memory" : "") +
           (facts_.virtual_device ? ", virtual" : "") +
           (facts_.working_set_bytes > 0
                ? ", " + std::to_string(facts_.working_set_bytes >> 20) +
                      " MiB for the GPU"
                : "");
  }

  std::unique_ptr<Session> create_session(
      const SessionOptions& options) override {
    throw_if(unavailable_);
    return std::make_unique<MetalSession>(options);
  }

  std::vector<Tensor> run(const Operation& operation,
                          const std::vector<TensorView>& inputs) override {
    throw_if(unavailable_);
    const auto shapes = operation_shapes(operation, inputs);
    metal::check_limits(operation, inputs, shapes);
    check_labels(operation, inputs);
    std::vector<Tensor> outputs;
    for (const auto& shape : shapes) outputs.push_back({shape, {}});
    throw_if(metal::run_on_device(operation, inputs, &outputs));
    return outputs;
  }

  std::optional<GpuFacts> gpu() const override {
    if (!unavailable_.empty()) return std::nullopt;
    return facts_;
  }

  std::vector<std::string> probe_names() const override {
    return unavailable_.empty() ? metal::probe_names()
                                : std::vector<std::string>{};
  }

  ProbeAnswer probe(const std::string& question) override {
    throw_if(unavailable_);
    return metal::run_probe(question);
  }

 private:
  GpuFacts facts_;
  const std::string unavailable_;
};

}  // namespace

Backend& metal_backend() {
  static MetalBackend backend;
  return backend;
}

}  // namespace birbs
