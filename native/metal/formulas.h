#pragma once

// Objective-C++ only: the formulas that networks and single operations share.
#include "graph.h"

namespace birbs::metal {

// Batch norm over the valid rows, in float32 (Ioffe and Szegedy 2015).
struct Normalized {
  Value mean, variance;  // [1, 1, 1, C], biased
  Value inverse;         // 1 / sqrt(variance + epsilon)
  Value normalized;      // (x - mean) * inverse, 0 in rows of padding
};

// `x` [B, H, W, C] float32; `rows` [B, 1, 1, 1], 1 or 0; `n` [1]: valid rows
// times H times W.
Normalized normalize(Graph& graph, const Value& x, const Value& rows,
                     const Value& n, double epsilon);

struct NormalizeGradient {
  Value dx, dweight, dbias;
};
NormalizeGradient normalize_gradient(Graph& graph, const Value& dy,
                                     const Value& inverse,
                                     const Value& normalized,
                                     const Value& weight, const Value& rows,
                                     const Value& n);

// With statistics from elsewhere, [C] each, and its gradient.
Normalized normalize_with(Graph& graph, const Value& x, const Value& mean,
                          const Value& variance, double epsilon);
NormalizeGradient normalize_with_gradient(Graph& graph, const Value& dy,
                                          const Value& inverse,
                                          const Value& normalized,
                                          const Value& weight);
Value normalize_with(Graph& graph, const Value& x, const Value& mean,
                     const Value& variance, const Value& weight,
                     const Value& bias, double epsilon);

// torch.nn.functional.cross_entropy with class weights and label smoothing:
// target[i, c] = weight[c] * ((1 - s) * onehot[i, c] + s / K), loss = -sum
// target * log softmax / sum of weight[label].
struct CrossEntropy {
  Value loss;       // [1]
  Value of_images;  // [B]: -log softmax[label], whatever weights and smoothing
  Value gradient;   // of the logits
};
// `logits` [B, K] float32, `labels` [B] int32, `rows` [B], 1 or 0; `weights`
// may be empty.
CrossEntropy cross_entropy(Graph& graph, const Value& logits,
                           const Value& labels, const Value& rows,
                           std::vector<float> weights, double smoothing);

Value softmax(Graph& graph, const Value& x);  // [B, K]

// Max pooling in which NaN is larger than all numbers, as in PyTorch, and the
// last NaN of a window takes the gradient: MPSGraph's drops NaN or keeps it.
// For single operations; a network pools without, as its loss tells of NaN.
Value nan_max_pool(Graph& graph, const Value& x, const Window& window);
Value nan_max_pool_gradient(Graph& graph, const Value& dy, const Value& x,
                            const Window& window);

// Mean over H and W, [B, 1, 1, C], and its gradient.
Value global_avg_pool(Graph& graph, const Value& x);
Value global_avg_pool_gradient(Graph& graph, const Value& dy,
                               const Dims& x_shape);

}  // namespace birbs::metal
