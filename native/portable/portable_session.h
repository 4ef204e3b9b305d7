#pragma once

#include <map>
#include <optional>
#include <vector>

#include "backend.h"
#include "batch_norm.h"
#include "loss.h"
#include "program.h"
#include "rank_sums.h"
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
  void activations(const uint8_t* images, int count, int value,
                   float* output) override;
  StepResult gradients(const Batch& batch, float* gradients,
                       float* logits) override;
  void get_parameters(float* values) override;
  void set_parameters(const float* values) override;
  OptimizerState get_optimizer_state() override;
  void set_optimizer_state(const OptimizerState& state) override;
  int64_t memory_bytes() const override;

 private:
  Program& training_program();
  Program& inference_program(int target);
  void fold(Program& program);
  void fold_step(Step& step);
  StepResult differentiate(const Batch& batch);
  void forward(const Program& program, const uint8_t* images, int count,
               bool training);
  void forward_step(const Program& program, const Step& step, int count,
                    bool training);
  void forward_convolution(const Program& program, const Step& step, int count);
  void forward_batch_norm(const Program& program, const Step& step, int count,
                          bool training);
  void sum_statistics(const BatchNorm& norm, const float* x, float* mean,
                      float* variance);
  void backward(const Program& program, int count);
  void backward_step(const Step& step, int count, const float* x, float* dy,
                     float* dx);
  void sum_gradients(int layer);
  void pass_on(const Program& program, const Step& step, int count);
  double gradient_norm() const;
  void update(float learning_rate, double norm);
  void update_running_statistics(const Batch& batch);
  float* logits() { return training_->value(plan_.last_value()); }
  // The nth parameter of a layer in `flat`, null if it has none.
  float* find(std::vector<float>& flat, int layer, size_t nth);

  SessionOptions options_;
  Plan plan_;
  Threads threads_;
  RankSums ranks_{options_};
  Share share_;  // of the step at hand
  Progress progress_;
  uint64_t version_ = 1;  // of the parameters
  std::vector<float> parameters_, gradients_, moments_;
  std::vector<std::vector<int64_t>> offsets_;   // of each layer's parameters
  std::vector<std::vector<float>> statistics_;  // batch norm: mean, variance
  std::optional<Program> training_;             // made when first needed
  std::map<int, Program> inference_;            // by the value they lead to
  std::vector<bool> written_;  // gradients that have their first summand
};

}  // namespace birbs::portable
