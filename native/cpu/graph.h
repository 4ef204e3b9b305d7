#pragma once

#include <vector>

#include "backend.h"
#include "dense_gradient.h"
#include "elementwise.h"
#include "layout.h"

namespace birbs::cpu {

enum class Kernel {
  convolution,
  batch_norm,
  activation,
  pooling,
  max_pool_2x2,
  dense,
  dropout,
  add,
  reorder,
};

// What is done at once: a layer, or one with what follows it.
struct Node {
  Kernel kernel{};
  size_t layer = 0;         // the first of them; names parameters and errors
  std::vector<int> inputs;  // values; of a convolution also what is added to it
  int output = 0;           // value
  Layout in, out;           // of the first input, of the output
  Activation activation = Activation::none;
  bool inference = false;       // no backward
  bool learns = false;          // whether its parameters do
  bool input_gradient = false;  // whether anything before it learns
  int norm = -1;                // convolution: the batch norm in its weights
  memory::desc weights{};       // convolution, dense
  bool own_gradient = false;    // convolution: of the weights, by our kernel

  // A convolution followed by max pooling keeps its full-size output only for
  // this many images at a time, so that it stays in cache.
  bool pooled = false;
  int images = 0;
  Layout middle;  // what the convolution itself gives

  Panels panels;  // dense

  bool sums() const {
    return kernel == Kernel::convolution && inputs.size() > 1;
  }
};

// Values are those of the Plan, and behind them what reorders give. Values that
// are only seen in another shape are one.
struct Graph {
  std::vector<Node> nodes;
  std::vector<Layout> layouts;  // of each value
  std::vector<bool> learns;     // of each value: whether its gradient is wanted
  int target = 0;               // the value it leads to
};

// Fuses layers and settles every layout for batches of `batch_size`. Both throw
// Error with the layer's number where oneDNN refuses.
Graph training_graph(const Plan& plan, int batch_size);
// Up to the value `target`. Dense weights stay as `training` has them.
Graph inference_graph(const Plan& plan, int batch_size, int target,
                      const Graph& training);

// "layer 3 (conv2d): oneDNN could not ...", thrown.
[[noreturn]] void refuse(const Plan& plan, size_t layer,
                         const dnnl::error& error);

}  // namespace birbs::cpu
