#pragma once

#include "backend.h"
#include "door.h"
#include "graph.h"

namespace birbs::metal {

// Steps that may be in flight together.
inline constexpr int steps_in_flight = 3;

// float16: what the loss is multiplied with at first, and after how many steps
// without an overflow that doubles; both as torch.amp.GradScaler has them.
inline constexpr float first_loss_scale = 65536, growth_steps = 2000;

// Numbers fed with each step, float32 [scalars]. Whether a step in flight was
// skipped, which Adam's t must not count, only the device knows: both numbers
// that depend on t come for each count of such steps, 0 first.
enum Scalar {
  scalar_count_valid,  // real images of the batch, the rest is padding
  scalar_learning_rate,
  scalar_keep,           // AdamW: 1 - rate * weight decay
  scalar_known_skipped,  // float16: skipped steps that the host knows of
  scalar_step_size,      // Adam: rate / (1 - beta1^t)
  // Adam: 1 / sqrt(1 - beta2^t)
  scalar_second_scale = scalar_step_size + steps_in_flight,
  scalars = scalar_second_scale + steps_in_flight,
};

// What float16 keeps on the device besides.
enum Scaling { scaling_loss_scale, scaling_clean_steps, scaling_skipped };

// What a train step returns, float32 [result_images + batch size]: last the
// loss of each image, of which those of padding mean nothing.
enum Result {
  result_loss,
  result_correct,
  result_norm,
  result_skipped,
  result_images
};

// One dropout layer's mask: a feed, uint8, 1 keeps.
struct DropoutFeed {
  size_t layer;
  Shape shape;  // as the mask counts it
  float rate;
  Value mask;
};

// A network as one MPSGraph: variables for weights and optimizer state, and the
// tensors and assignments the executables are made of. All of the batch is
// computed; rows past the valid ones are masked out of loss, gradients and
// statistics.
struct NetworkGraph {
  Graph graph;
  std::vector<Value> variables;  // a parameter each, Plan order
  std::vector<Value> moments;  // first, then second, as OptimizerState has them
  std::vector<Value> scaling;  // [1] each, by Scaling; float32: none
  Value images;                // uint8 [B, H, W, 3]
  Value labels;                // int32 [B]
  Value valid;                 // float32 [B], 1 or 0
  Value scalar;                // float32 [scalars]
  std::vector<DropoutFeed> dropouts;

  Value train_result;            // float32 [result_images + B]
  Value train_logits;            // float32 [B, classes]
  std::vector<Value> gradients;  // Plan order; tensor nil: not trainable
  Owned<NSMutableArray<MPSGraphOperation*>*> updates;
  Value logits;                  // float32 [B, classes], evaluation mode
  std::vector<Value> evaluated;  // the same of every value of the Plan

  // All variables read, and written from feeds. Each run has a feed and a
  // target besides: whether it may go without is not documented.
  std::vector<Value> stored;      // variables, moments, scaling
  Value read_feed;                // float32 [1]
  std::vector<Value> read;        // as stored, then what read_feed is
  std::vector<Value> load_feeds;  // as stored
  Value load_target;              // float32 [1]
  Owned<NSMutableArray<MPSGraphOperation*>*> loads;
};

// `parameters` in Plan order and PyTorch layout. Half: compute in float16 with
// float32 weights and a loss scale that the graph itself adapts.
void build_network_graph(const SessionOptions& options, const Plan& plan,
                         const std::vector<Door>& doors,
                         const float* parameters, bool half,
                         NetworkGraph* network);

}  // namespace birbs::metal
