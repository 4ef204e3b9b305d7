#pragma once

#include <vector>

#include "backend.h"
#include "dense_gradient.h"
#include "layout.h"

namespace birbs::cpu {

enum class Work {
  convolution,
  batch_norm,
  relu,
  pooling,
  max_pool_2x2,
  dense,
  dropout,
  reorder,
};

// What is done at once: a layer, or one with its ReLU and pooling.
struct Node {
  Work work{};
  size_t layer = 0;  // the first of them; names parameters and errors
  Layout in, out;
  bool relu = false;
  bool input_gradient = true;  // whether anything before it learns
  memory::desc weights{};      // convolution, dense

  // A convolution followed by max pooling keeps its full-size output only for
  // so many images at a time, so that it stays in cache.
  bool pooled = false;
  int images = 0;
  Layout middle;  // what the convolution itself gives

  Panels panels;  // dense
};

struct Graph {
  Layout input;
  std::vector<Node> nodes;
  size_t first_trainable = 0;  // node; no gradient passes below
};

// Fuses layers and settles every layout for batches of `batch_size`. Throws
// Error with the layer's number where oneDNN refuses.
Graph build_graph(const Network& network, const Plan& plan, int batch_size);

// "layer 3 (conv2d): oneDNN could not ...", thrown.
[[noreturn]] void refuse(const Network& network, size_t layer,
                         const dnnl::error& error);

}  // namespace birbs::cpu
