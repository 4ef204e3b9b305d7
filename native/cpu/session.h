#pragma once

#include <map>
#include <optional>
#include <vector>

#include "loss.h"
#include "program.h"
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
  // Some images at a time, so that what lies between layers stays in cache.
  struct Inference {
    Inference(const Plan& plan, int images, int target, const Graph& training,
              Shared& shared)
        : graph(inference_graph(plan, images, target, training)),
          program(graph, images, false, shared) {}

    Graph graph;
    Program program;
    uint64_t folded = 0;  // version of the parameters
  };

  Program& training_program();
  Inference& inference_to(int value);
  void infer(Inference& inference, const uint8_t* images, int count,
             float* output);
  Loss differentiate(Program::Pass& pass, const Batch& batch);
  void sum_gradients(const Node& node, Stage& stage);
  // What is to be visited for its gradients, besides what is stored.
  const std::vector<DenseStage*>& unstored(const Program::Pass& pass) const;
  double update(Program::Pass& pass, float learning_rate);
  void read_logits(int count, float* logits) const;
  const Layout& output() const {
    return training_graph_.layouts[training_graph_.target];
  }

  SessionOptions options_;
  Plan plan_;
  Graph training_graph_;
  Parameters parameters_;
  Update update_;
  Shared shared_;
  Progress progress_;
  // Counts changes of the parameters, and those from outside.
  uint64_t version_ = 1, set_ = 1, folded_ = 0;
  int images_at_once_;
  std::vector<float> logits_, logit_gradients_;
  std::optional<Program> training_;      // made when first needed
  std::map<int, Inference> inferences_;  // by the value they lead to
};

}  // namespace birbs::cpu
