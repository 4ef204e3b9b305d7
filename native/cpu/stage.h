#pragma once

#include <memory>

#include "graph.h"
#include "parameters.h"
#include "rank_sums.h"

namespace birbs::cpu {

// What the stages of a session share.
struct Shared {
  Shared(const SessionOptions& options, const Plan& plan,
         const Parameters& parameters)
      : options(options), plan(plan), parameters(parameters) {}

  const Layer& layer(const Node& node) const { return plan.layers[node.layer]; }

  const SessionOptions& options;
  const Plan& plan;
  const Parameters& parameters;
  RankSums ranks{options};
  dnnl::stream stream{cpu_engine()};
  SharedBuffer scratchpad;       // of oneDNN
  SharedBuffer middle;           // unpooled outputs of a convolution
  SharedBuffer weights;          // a convolution's, in another layout
  SharedBuffer weight_gradient;  // before it is added to the whole
  SharedBuffer weight_part;
  SharedBuffer threads;  // dense gradients, a part for each thread

  int64_t bytes() const {
    return static_cast<int64_t>(scratchpad.bytes() + middle.bytes() +
                                weights.bytes() + weight_gradient.bytes() +
                                weight_part.bytes() + threads.bytes());
  }
};

// What one node keeps, whatever the batch's size.
struct NodeMemory {
  SharedBuffer workspace;
  SharedBuffer statistics;  // batch norm: mean, variance
  Buffer weight, bias;      // of a convolution without backward
};

// Where a stage's data lie, for one batch size. What is not wanted is null.
struct Bindings {
  int count = 0;
  const float* x = nullptr;
  float* y = nullptr;
  float* dy = nullptr;
  float* dx = nullptr;  // may be dy
  // Of a sum: its second input, and whether the gradients of the inputs have
  // summands from elsewhere, to which this one's is added.
  const float* x2 = nullptr;
  float* dx2 = nullptr;
  bool add_dx = false, add_dx2 = false;
};

struct Phase {
  bool training = false;
  uint64_t step = 0;
  int first = 0;  // images of the batch before these
  int whole = 0;  // images of the batch
};

// A node for one batch size, everything made beforehand.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual void forward(const Phase& phase) = 0;
  // May overwrite dy. Leaves the parameters' gradients with the parameters.
  virtual void backward() = 0;
  // After a training step only.
  virtual void update_statistics() {}
};

std::unique_ptr<Stage> make_stage(const Node& node, const Bindings& bindings,
                                  NodeMemory& kept, Shared& shared);

// Completes the arguments of a primitive with the shared scratchpad.
template <typename PrimitiveDesc>
Call prepare(Shared& shared, const PrimitiveDesc& desc,
             const dnnl::primitive& primitive, Arguments arguments) {
  const memory::desc scratchpad = desc.scratchpad_desc();
  if (scratchpad.get_size() > 0) {
    void* memory = shared.scratchpad.reserve(scratchpad.get_size());
    arguments.insert({DNNL_ARG_SCRATCHPAD, attach(scratchpad, memory)});
  }
  return {primitive, std::move(arguments)};
}

}  // namespace birbs::cpu
