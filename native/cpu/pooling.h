#pragma once

#include "max_pool.h"
#include "stage.h"

namespace birbs::cpu {

// Max pooling of any window.
class MaxPoolStage : public Stage {
 public:
  MaxPoolStage(const Node& node, const Bindings& bindings, NodeMemory& kept,
               Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;

 private:
  MaxPool pool_;
  Bindings bindings_;
  int32_t* taken_;
};

// Average and global average pooling.
class AveragePoolStage : public Stage {
 public:
  AveragePoolStage(const Node& node, const Bindings& bindings, Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;

 private:
  Shared& shared_;
  Call forward_, backward_;
};

// The stage for a pooling layer.
std::unique_ptr<Stage> make_pooling(const Node& node, const Bindings& bindings,
                                    NodeMemory& kept, Shared& shared);

}  // namespace birbs::cpu
