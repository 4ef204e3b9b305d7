#pragma once

#include "batch_norm_math.h"
#include "stage.h"

namespace birbs::cpu {

// Batch normalization and its activation, if the node has it; see
// batch_norm_math.h.
class BatchNormStage : public Stage {
 public:
  BatchNormStage(const Node& node, const Bindings& bindings, NodeMemory& kept,
                 Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;
  void update_statistics() override;

 private:
  bool syncs() const { return !fixed_ && shared_.ranks.syncs(); }
  // Values of a channel, of the images of all ranks.
  double total() const;

  const Node& node_;
  Bindings bindings_;
  Shared& shared_;
  float epsilon_;
  bool fixed_;               // running statistics in training as well
  float *mean_, *variance_;  // of the batch
  int whole_ = 0;            // images of all ranks, of the last forward
};

}  // namespace birbs::cpu
