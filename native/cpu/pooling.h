#pragma once

#include "stage.h"

namespace birbs::cpu {

// Max, average and global average pooling of any window.
class PoolingStage : public Stage {
 public:
  PoolingStage(const Node& node, const Wiring& wiring, NodeMemory& kept,
               Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;

 private:
  Shared& shared_;
  Call forward_, backward_;
};

// oneDNN's name for a pooling layer, and its window: global average pooling has
// the whole image for a kernel.
dnnl::algorithm pooling_algorithm(const Layer& layer);
Window pooling_window(const Layer& layer, const Shape& in);

}  // namespace birbs::cpu
