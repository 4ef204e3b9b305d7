#pragma once

#include <map>
#include <vector>

#include "loss.h"
#include "stage.h"
#include "update.h"

namespace birbs::cpu {

// A network on oneDNN. Everything is made once for each batch size it meets;
// a step then only runs.
class OnednnSession : public Session {
 public:
  explicit OnednnSession(const SessionOptions& options);

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
  // The stages of all nodes for one batch size.
  struct Pass {
    std::vector<std::unique_ptr<Stage>> stages;
    std::vector<DenseStage*> dense;
  };

  void allocate();
  void wire_gradients();
  Pass make_pass(int count);
  Pass& pass_for(int count);
  void forward(Pass& pass, const uint8_t* images, int count, bool training);
  Loss differentiate(Pass& pass, const Batch& batch);
  void backward(Pass& pass);
  double update(Pass& pass, float learning_rate);
  void read_logits(int count, float* logits) const;
  const Layout& output() const { return graph_.nodes.back().out; }

  SessionOptions options_;
  Plan plan_;
  Graph graph_;
  Parameters parameters_;
  Update update_;
  Shared shared_;
  Progress progress_;
  Buffer input_, logits_, logit_gradients_;
  std::vector<NodeMemory> memories_;
  Buffer gradients_[2];              // most activations' gradients take turns
  std::vector<float*> gradient_of_;  // of what enters node i; last: of the end
  std::map<int, Pass> passes_;
};

}  // namespace birbs::cpu
