#pragma once

#include <vector>

#include "backend.h"
#include "loss.h"
#include "threads.h"

namespace birbs::portable {

// A network in plain loops: activations N, C, H, W, parameters as PyTorch has
// them, every step done when train_step returns.
class PortableSession : public Session {
 public:
  explicit PortableSession(const SessionOptions& options);

  void train_step(const Batch& batch, float learning_rate,
                  std::function<void(StepResult)> done) override;
  void predict(const uint8_t* images, int count, float* logits) override;
  StepResult gradients(const Batch& batch, float* gradients,
                       float* logits) override;
  void get_parameters(float* values) override;
  void set_parameters(const float* values) override;
  OptimizerState get_optimizer_state() override;
  void set_optimizer_state(const OptimizerState& state) override;
  int64_t memory_bytes() const override;

 private:
  void allocate();
  StepResult differentiate(const Batch& batch);
  void forward(const uint8_t* images, int count, bool training);
  void forward_layer(size_t index, int count, bool training);
  void forward_batch_norm(size_t index, int count, bool training);
  void backward(int count);
  void backward_layer(size_t index, int count);
  double gradient_norm() const;
  void update(float learning_rate, double norm);
  void update_running_statistics(int count);
  // The nth parameter of a layer in `flat`, null if it has none.
  float* find(std::vector<float>& flat, size_t layer, size_t nth);

  SessionOptions options_;
  Plan plan_;
  Threads threads_;
  Progress progress_;
  std::vector<float> parameters_, gradients_, moments_;
  std::vector<std::vector<int64_t>> offsets_;   // of each layer's parameters
  std::vector<std::vector<float>> statistics_;  // batch norm: mean, variance
  std::vector<std::vector<float>> storage_;
  std::vector<float*> values_;  // values_[i] enters layer i; flatten shares
  std::vector<float> gradient_, next_gradient_;  // leaving and entering a layer
  size_t first_trainable_ = 0;  // no gradient passes below this layer
};

}  // namespace birbs::portable
