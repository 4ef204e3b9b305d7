#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "types.h"

namespace standin {

enum class Op {
  placeholder,
  constant,
  variable,
  read,
  assign,
  alias,  // the same words under another shape
  unary,
  binary,
  compare,
  select,
  clamp,
  cast,
  convolution,
  convolution_data_gradient,
  convolution_weights_gradient,
  max_pool,
  max_pool_gradient,
  max_pool_indices_gradient,
  avg_pool,
  avg_pool_gradient,
  matmul,
  softmax,
  softmax_gradient,
  relu_gradient,
  sigmoid_gradient,
  cross_entropy,
  cross_entropy_gradient,
  one_hot,
  transpose,
  slice,
  concat,
  broadcast,
  pad,
  pad_gradient,
  reverse,
  reduce,
  arg,
  mean,
  variance,
  normalization,
  gamma_gradient,
  normalization_gradient,
  sgd,
  adam,
  random,
};

enum class Function {
  // unary
  exponent,
  exponent2,
  logarithm,
  logarithm2,
  logarithm10,
  square,
  square_root,
  reciprocal,
  reciprocal_square_root,
  absolute,
  negative,
  sign,
  ceil,
  floor,
  round,
  rint,
  sin,
  cos,
  tanh,
  erf,
  relu,
  sigmoid,
  is_nan,
  is_finite,
  is_infinite,
  logical_not,
  // binary and reductions
  add,
  subtract,
  multiply,
  divide,
  divide_no_nan,
  modulo,
  floor_modulo,
  power,
  minimum,
  maximum,
  minimum_nan,
  maximum_nan,
  logical_and,
  logical_or,
  logical_xor,
  product,
  // comparisons
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
};

enum class Layout { nchw, nhwc, oihw, hwio };

// A convolution's or pooling's window, padding resolved.
struct Window2d {
  int64_t kernel_height = 1, kernel_width = 1, stride_height = 1,
          stride_width = 1, dilation_height = 1, dilation_width = 1, top = 0,
          bottom = 0, left = 0, right = 0, groups = 1;
  int64_t style = 0;  // MPSGraphPaddingStyle
  Layout data = Layout::nchw, weights = Layout::oihw;
  bool ceil = false, include_padding = false;
  int64_t indices_mode = 0;
};

struct Graph;
struct Node;

// What Apple's documentation leaves open about a tensor's shape.
enum class Rank {
  known,
  scalar,   // one element, rank 0 or 1
  unknown,  // only a reshape tells
};

struct Value {
  Node* node = nullptr;
  int index = 0;
  Dims dims;
  Type type{};
  Rank rank = Rank::known;
  void* object = nullptr;  // its MPSGraphTensor
};

struct Variable {
  Dims dims;
  Type type{};
  std::vector<Word> words;
};

struct Node {
  Op op{};
  Function function{};
  Graph* graph = nullptr;
  int64_t id = 0;
  std::string name;
  std::vector<Value*> inputs;
  std::vector<std::unique_ptr<Value>> outputs;
  std::vector<int64_t> numbers, more_numbers;  // axes, starts, paddings, ...
  double real = 0, more_real = 0;
  Window2d window;
  std::vector<Word> words;  // constant
  std::unique_ptr<Variable> variable;
  void* object = nullptr;  // its MPSGraphOperation
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  std::atomic<bool> alive{true};      // its MPSGraph has not been freed
  std::atomic<bool> busy{false};      // some thread is inside
  std::atomic<int64_t> in_flight{0};  // executables on their way
  std::atomic<int64_t> owners{1};

  void retain() { ++owners; }
  void release();
};

// One thread at a time may be inside a graph.
class Entry {
 public:
  explicit Entry(Graph* graph);
  ~Entry();
  Entry(const Entry&) = delete;

 private:
  Graph* graph_;
};

}  // namespace standin
