#pragma once

#include <functional>
#include <vector>

#include "stage.h"

namespace birbs::cpu {

// Settles node.weights and node.panels.
void choose_dense(const Layer& layer, Node& node, int batch_size);

// A dense layer and its activation, if the node has it.
class DenseStage : public Stage {
 public:
  // `bindings.dy` must last until visit_weights.
  DenseStage(const Node& node, const Bindings& bindings, Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;

  // Computes the weights' gradients and hands them, with the weights, to
  // `visit` a chunk at a time, on all threads; returns the sum of what it
  // returns, added up in a fixed order.
  double visit_weights(const std::function<double(const Chunk&)>& visit);

 private:
  void prepare_weights();
  double visit_rows(int64_t first, float* scratch,
                    const std::function<double(const Chunk&)>& visit) const;

  const Node& node_;
  Bindings bindings_;
  Shared& shared_;
  Call forward_, backward_;
  Buffer targets_;            // dy as DenseGradient wants it
  int64_t scratch_size_ = 0;  // floats of each thread
  float* scratch_ = nullptr;
  std::vector<double> sums_;  // of each block of rows
};

}  // namespace birbs::cpu
