#include "builder.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "counters.h"
#include "strict.h"

namespace standin {
namespace {

const char* const one_type =
    "requires the same element type for all operands and results";
const char* const failed_inference =
    "LLVM ERROR: Failed to infer result type(s)";

Node* add_node(Graph* graph, Op op, const char* name, const Values& inputs) {
  for (Value* input : inputs) {
    if (!input) continue;
    require(input->node->graph == graph,
            std::string(name) + ": a tensor of another graph",
            "a graph's operations take its own tensors");
    require(input->rank != Rank::unknown || op == Op::alias,
            std::string(name) + ": an operand of undocumented rank, made by " +
                input->node->name,
            "reshape it to its known shape first");
  }
  auto node = std::make_unique<Node>();
  node->op = op;
  node->graph = graph;
  node->id = static_cast<int64_t>(graph->nodes.size());
  node->name = name;
  node->inputs = inputs;
  graph->nodes.push_back(std::move(node));
  return graph->nodes.back().get();
}

Value* add_output(Node* node, const Dims& dims, Type type) {
  check_dims(dims, type, node->name);
  auto value = std::make_unique<Value>();
  value->node = node;
  value->index = static_cast<int>(node->outputs.size());
  value->dims = dims;
  value->type = type;
  node->outputs.push_back(std::move(value));
  return node->outputs.back().get();
}

void same_types(const char* name, const Values& values) {
  const Value* first = nullptr;
  for (const Value* value : values) {
    if (!value) continue;
    if (!first) first = value;
    require(value->type == first->type,
            std::string(name) + ": " + describe(first->dims, first->type) +
                " with " + describe(value->dims, value->type),
            one_type);
  }
}

void floats_only(const char* name, const Value* x) {
  require(is_float(x->type),
          std::string(name) + " of " + describe(x->dims, x->type),
          "floating point operands only");
}

Dims broadcast(const char* name, const Dims& a, const Dims& b) {
  Dims result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    require(left == right || left == 1 || right == 1,
            std::string(name) + ": input types " + describe(a) + " and " +
                describe(b) + " are not broadcast compatible",
            failed_inference);
    result[result.size() - 1 - i] = left == 1 ? right : left;
  }
  return result;
}

void broadcasts_to(const char* name, const Dims& from, const Dims& to) {
  require(broadcast(name, from, to) == to,
          std::string(name) + ": " + describe(from) +
              " does not broadcast to " + describe(to),
          failed_inference);
}

int64_t wrap_axis(const char* name, const Value* x, int64_t axis) {
  int64_t rank = static_cast<int64_t>(x->dims.size());
  require(axis >= -rank && axis < rank,
          std::string(name) + ": axis " + std::to_string(axis) + " of " +
              describe(x->dims),
          "axis out of range");
  return axis < 0 ? axis + rank : axis;
}

Dims wrap_axes(const char* name, const Value* x, const Dims& axes) {
  Dims wrapped;
  for (int64_t axis : axes) wrapped.push_back(wrap_axis(name, x, axis));
  std::sort(wrapped.begin(), wrapped.end());
  require(std::adjacent_find(wrapped.begin(), wrapped.end()) == wrapped.end(),
          std::string(name) + ": axes " + describe(axes),
          "axes must be unique");
  return wrapped;
}

Dims keep_dims(const Value* x, const Dims& axes) {
  Dims dims = x->dims;
  for (int64_t axis : axes) dims[axis] = 1;
  return dims;
}

Value* elementwise(Node* node, const Dims& dims, Type type) {
  Value* value = add_output(node, dims, type);
  bool scalar = count(dims) == 1;
  bool any = false;
  for (Value* input : node->inputs) {
    scalar = scalar && input->dims.size() <= 1;
    any = any || input->rank == Rank::scalar;
  }
  if (scalar && any) value->rank = Rank::scalar;
  return value;
}

// A convolution's sizes whatever its layouts.
struct Sizes {
  int64_t count, channels, height, width;
};

Sizes data_sizes(const char* name, const Dims& dims, const Window2d& window) {
  require(dims.size() == 4, std::string(name) + ": data " + describe(dims),
          "rank 4");
  require(dims[0] < 65536,
          std::string(name) + ": batch of " + std::to_string(dims[0]),
          "wrong gradients from 65536 on");
  if (window.data == Layout::nchw) return {dims[0], dims[1], dims[2], dims[3]};
  require(window.data == Layout::nhwc,
          std::string(name) + ": data layout is one of weights",
          "data are NCHW or NHWC");
  return {dims[0], dims[3], dims[1], dims[2]};
}

Dims data_dims(const Sizes& sizes, const Window2d& window) {
  if (window.data == Layout::nchw) {
    return {sizes.count, sizes.channels, sizes.height, sizes.width};
  }
  return {sizes.count, sizes.height, sizes.width, sizes.channels};
}

// Weights: count is outputs, channels is inputs / groups.
Sizes weight_sizes(const char* name, const Dims& dims, const Window2d& window) {
  require(dims.size() == 4, std::string(name) + ": weights " + describe(dims),
          "rank 4");
  if (window.weights == Layout::oihw) {
    return {dims[0], dims[1], dims[2], dims[3]};
  }
  require(window.weights == Layout::hwio,
          std::string(name) + ": weights layout is one of data",
          "weights are OIHW or HWIO");
  return {dims[3], dims[2], dims[0], dims[1]};
}

struct Side {
  int64_t kernel, stride, dilation;
  int64_t *before, *after;
};

// The size after a window; resolves the padding of the other styles.
int64_t output_size(const char* name, int64_t size, Side side, int64_t style,
                    bool ceil) {
  require(side.stride > 0 && side.dilation > 0 && side.kernel > 0,
          std::string(name) + ": a stride, dilation or kernel of 0",
          "at least 1");
  int64_t reach = (side.kernel - 1) * side.dilation + 1;
  require(style <= 4 && style != 3,
          std::string(name) + ": padding style " + std::to_string(style),
          "semantics of ExplicitOffset are undocumented, do not use");
  if (style == 1) *side.before = *side.after = 0;
  if (style == 2 || style == 4) {
    int64_t output = (size + side.stride - 1) / side.stride;
    int64_t total =
        std::max<int64_t>((output - 1) * side.stride + reach - size, 0);
    *side.before = style == 2 ? total / 2 : total - total / 2;
    *side.after = total - *side.before;
  }
  int64_t room = size + *side.before + *side.after - reach;
  require(room >= 0,
          std::string(name) + ": a kernel that reaches over " +
              std::to_string(reach) + " of a padded input of " +
              std::to_string(room + reach),
          "destination kernel width and filter kernel width mismatch");
  int64_t output = (room + (ceil ? side.stride - 1 : 0)) / side.stride + 1;
  // The last window has to begin inside the input or its first padding.
  if (ceil && (output - 1) * side.stride >= size + *side.before) --output;
  return output;
}

Sizes window_output(const char* name, const Sizes& in, int64_t channels,
                    Window2d& window) {
  Sizes out{in.count, channels, 0, 0};
  out.height =
      output_size(name, in.height,
                  {window.kernel_height, window.stride_height,
                   window.dilation_height, &window.top, &window.bottom},
                  window.style, window.ceil);
  out.width = output_size(name, in.width,
                          {window.kernel_width, window.stride_width,
                           window.dilation_width, &window.left, &window.right},
                          window.style, window.ceil);
  return out;
}

// Checks source against weights and answers the output's sizes.
Sizes convolution_output(const char* name, const Sizes& in,
                         const Sizes& weights, Window2d& window) {
  require(window.groups > 0 &&
              in.channels == weights.channels * window.groups &&
              weights.count % window.groups == 0,
          std::string(name) + ": " + std::to_string(in.channels) +
              " source channels, " + std::to_string(weights.channels) +
              " weight input channels in " + std::to_string(window.groups) +
              " groups",
          "Source and weight input channels mismatch");
  window.kernel_height = weights.height;
  window.kernel_width = weights.width;
  Sizes out = window_output(name, in, weights.count, window);
  require(out.height <= 65536 && out.width <= 65536,
          std::string(name) + ": an output side over 65536",
          "unsupported before macOS 15.1");
  require(window.kernel_height < 256 && window.kernel_width < 256,
          std::string(name) + ": a kernel side of 256 or more",
          "wrong before macOS 15.1");
  return out;
}

Sizes pool_output(const char* name, const Value* x, Window2d& window) {
  floats_only(name, x);
  Sizes in = data_sizes(name, x->dims, window);
  Sizes out = window_output(name, in, in.channels, window);
  require(!(window.ceil && window.include_padding),
          std::string(name) + ": ceilMode with includeZeroPadToAverage",
          "mismatching results: avoid the combination");
  auto small = [](int64_t pad, int64_t kernel, int64_t dilation) {
    return pad < (kernel - 1) * dilation + 1;
  };
  require(small(window.top, window.kernel_height, window.dilation_height) &&
              small(window.left, window.kernel_width, window.dilation_width),
          std::string(name) + ": padding as large as the kernel",
          "a window would lie in the padding alone");
  return out;
}

}  // namespace

Value* add_placeholder(Graph* graph, const Dims& dims, Type type) {
  return add_output(add_node(graph, Op::placeholder, "placeholder", {}), dims,
                    type);
}

namespace {

void check_finite(const char* name, const Value* value,
                  const std::vector<Word>& words) {
  if (!is_float(value->type)) return;
  for (Word word : words) {
    require(std::isfinite(std::bit_cast<float>(word)),
            std::string(name) + ": a value that is no finite number",
            "no NaN or infinite constants: they crash the compiler");
  }
}

std::vector<Word> words_of(const char* name, const void* bytes, int64_t size,
                           const Dims& dims, Type type) {
  check_dims(dims, type, name);
  require(size == byte_count(dims, type),
          std::string(name) + ": NSData of " + std::to_string(size) +
              " bytes for " + describe(dims, type),
          "the byte count is product(shape) * element size");
  std::vector<Word> words(count(dims));
  to_words(type, bytes, count(dims), words.data());
  return words;
}

}  // namespace

Value* add_constant(Graph* graph, const void* bytes, int64_t size,
                    const Dims& dims, Type type) {
  std::vector<Word> words = words_of("constant", bytes, size, dims, type);
  Node* node = add_node(graph, Op::constant, "constant", {});
  Value* value = add_output(node, dims, type);
  check_finite("constant", value, words);
  node->words = std::move(words);
  hold_bytes(static_cast<int64_t>(node->words.size() * sizeof(Word)));
  return value;
}

Value* add_splat(Graph* graph, double number, const Dims& dims, Type type) {
  Node* node = add_node(graph, Op::constant, "constant", {});
  Value* value = add_output(node, dims, type);
  Word word = is_float(type) ? std::bit_cast<Word>(static_cast<float>(number))
                             : static_cast<Word>(static_cast<int32_t>(number));
  settle(type, &word, 1);
  node->words.assign(count(dims), word);
  check_finite("constant", value, {word});
  hold_bytes(static_cast<int64_t>(node->words.size() * sizeof(Word)));
  return value;
}

Value* add_variable(Graph* graph, const void* bytes, int64_t size,
                    const Dims& dims, Type type) {
  std::vector<Word> words = words_of("variable", bytes, size, dims, type);
  Node* node = add_node(graph, Op::variable, "variable", {});
  Value* value = add_output(node, dims, type);
  node->variable = std::make_unique<Variable>();
  node->variable->dims = dims;
  node->variable->type = type;
  node->variable->words = std::move(words);
  add(Counter::variable_bytes_in, size);
  hold_bytes(size);
  return value;
}

namespace {

void check_variable(const char* name, const Value* value) {
  require(value->node->op == Op::variable,
          std::string(name) + " of a tensor made by " + value->node->name,
          "takes the tensor that variableWithData: returned");
}

}  // namespace

Value* add_read(Graph* graph, Value* variable) {
  check_variable("readVariable", variable);
  return add_output(add_node(graph, Op::read, "readVariable", {variable}),
                    variable->dims, variable->type);
}

Node* add_assign(Graph* graph, Value* variable, Value* value) {
  check_variable("assignVariable", variable);
  same_types("assignVariable", {variable, value});
  require(variable->dims == value->dims,
          "assignVariable: " + describe(value->dims) + " to a variable " +
              describe(variable->dims),
          "the variable's own shape");
  return add_node(graph, Op::assign, "assignVariable", {variable, value});
}

Value* add_identity(Graph* graph, Value* x) {
  Value* y =
      add_output(add_node(graph, Op::alias, "identity", {x}), x->dims, x->type);
  y->rank = x->rank;
  return y;
}

Value* add_unary(Graph* graph, Function function, Value* x) {
  bool asks = function == Function::is_nan || function == Function::is_finite ||
              function == Function::is_infinite;
  if (asks) floats_only("isNaN, isFinite, isInfinite", x);
  if (function == Function::logical_not) {
    require(x->type == Type::boolean, "not of " + describe(x->dims, x->type),
            "Bool only");
  } else {
    require(x->type != Type::boolean, "arithmetic on Bool", "cast it first");
  }
  Node* node = add_node(graph, Op::unary, "unary", {x});
  node->function = function;
  return elementwise(node, x->dims, asks ? Type::boolean : x->type);
}

Value* add_binary(Graph* graph, Function function, Value* a, Value* b) {
  same_types("binary arithmetic", {a, b});
  bool logical = function == Function::logical_and ||
                 function == Function::logical_or ||
                 function == Function::logical_xor;
  require(logical == (a->type == Type::boolean),
          logical ? "logical operation on " + describe(a->dims, a->type)
                  : "arithmetic on Bool",
          logical ? "Bool only" : "cast it first");
  Node* node = add_node(graph, Op::binary, "binary", {a, b});
  node->function = function;
  return elementwise(node, broadcast("binary arithmetic", a->dims, b->dims),
                     a->type);
}

Value* add_compare(Graph* graph, Function function, Value* a, Value* b) {
  same_types("comparison", {a, b});
  Node* node = add_node(graph, Op::compare, "comparison", {a, b});
  node->function = function;
  return elementwise(node, broadcast("comparison", a->dims, b->dims),
                     Type::boolean);
}

Value* add_select(Graph* graph, Value* predicate, Value* yes, Value* no) {
  require(predicate->type == Type::boolean,
          "select by " + describe(predicate->dims, predicate->type),
          "the predicate is Bool");
  same_types("select", {yes, no});
  Dims dims = broadcast("select", yes->dims, no->dims);
  dims = broadcast("select", predicate->dims, dims);
  return elementwise(
      add_node(graph, Op::select, "select", {predicate, yes, no}), dims,
      yes->type);
}

Value* add_clamp(Graph* graph, Value* x, Value* low, Value* high) {
  same_types("clamp", {x, low, high});
  broadcasts_to("clamp", low->dims, x->dims);
  broadcasts_to("clamp", high->dims, x->dims);
  return elementwise(add_node(graph, Op::clamp, "clamp", {x, low, high}),
                     x->dims, x->type);
}

Value* add_cast(Graph* graph, Value* x, Type type) {
  if (type == x->type) return add_identity(graph, x);
  return elementwise(add_node(graph, Op::cast, "cast", {x}), x->dims, type);
}

Value* add_convolution(Graph* graph, Value* x, Value* weights,
                       Window2d window) {
  const char* name = "convolution2D";
  same_types(name, {x, weights});
  floats_only(name, x);
  Sizes out =
      convolution_output(name, data_sizes(name, x->dims, window),
                         weight_sizes(name, weights->dims, window), window);
  Node* node = add_node(graph, Op::convolution, name, {x, weights});
  node->window = window;
  return add_output(node, data_dims(out, window), x->type);
}

namespace {

void check_gradient(const char* name, const Value* dy, const Dims& expected) {
  require(dy->dims == expected,
          std::string(name) + ": incoming gradient " + describe(dy->dims) +
              " where the forward output is " + describe(expected),
          "destination kernel width and filter kernel width mismatch");
}

}  // namespace

Value* add_convolution_data_gradient(Graph* graph, Value* dy, Value* weights,
                                     const Dims& shape, Window2d window) {
  const char* name = "convolution2DDataGradient";
  same_types(name, {dy, weights});
  floats_only(name, dy);
  Sizes out =
      convolution_output(name, data_sizes(name, shape, window),
                         weight_sizes(name, weights->dims, window), window);
  check_gradient(name, dy, data_dims(out, window));
  Node* node =
      add_node(graph, Op::convolution_data_gradient, name, {dy, weights});
  node->window = window;
  return add_output(node, shape, dy->type);
}

Value* add_convolution_weights_gradient(Graph* graph, Value* dy, Value* x,
                                        const Dims& shape, Window2d window) {
  const char* name = "convolution2DWeightsGradient";
  same_types(name, {dy, x});
  floats_only(name, dy);
  Sizes out = convolution_output(name, data_sizes(name, x->dims, window),
                                 weight_sizes(name, shape, window), window);
  check_gradient(name, dy, data_dims(out, window));
  Node* node = add_node(graph, Op::convolution_weights_gradient, name, {dy, x});
  node->window = window;
  return add_output(node, shape, dy->type);
}

namespace {

Node* add_pool(Graph* graph, Op op, const char* name, Value* x,
               Window2d window) {
  Sizes out = pool_output(name, x, window);
  Node* node = add_node(graph, op, name, {x});
  node->window = window;
  add_output(node, data_dims(out, window), x->type);
  return node;
}

}  // namespace

Value* add_max_pool(Graph* graph, Value* x, Window2d window) {
  return add_pool(graph, Op::max_pool, "maxPooling2D", x, window)
      ->outputs[0]
      .get();
}

Values add_max_pool_indices(Graph* graph, Value* x, Window2d window) {
  const char* name = "maxPooling2DReturnIndices";
  Node* node = add_pool(graph, Op::max_pool, name, x, window);
  require(window.indices_mode == 0 || window.indices_mode == 2 ||
              window.indices_mode == 4,
          std::string(name) + ": indices mode " +
              std::to_string(window.indices_mode),
          "the stand-in has GlobalFlatten2D and GlobalFlatten4D");
  add_output(node, node->outputs[0]->dims, Type::int32);
  return {node->outputs[0].get(), node->outputs[1].get()};
}

Value* add_avg_pool(Graph* graph, Value* x, Window2d window) {
  return add_pool(graph, Op::avg_pool, "avgPooling2D", x, window)
      ->outputs[0]
      .get();
}

Value* add_pool_gradient(Graph* graph, Op op, Value* dy, Value* x,
                         Window2d window) {
  const char* name = op == Op::max_pool_gradient ? "maxPooling2DGradient"
                                                 : "avgPooling2DGradient";
  same_types(name, {dy, x});
  check_gradient(name, dy, data_dims(pool_output(name, x, window), window));
  Node* node = add_node(graph, op, name, {dy, x});
  node->window = window;
  return add_output(node, x->dims, x->type);
}

Value* add_max_pool_indices_gradient(Graph* graph, Value* dy, Value* indices,
                                     const Dims& shape, Window2d window) {
  const char* name = "maxPooling2DGradient by indices";
  require(indices->type == Type::int32 && indices->node->op == Op::max_pool &&
              indices->node->window.indices_mode == window.indices_mode &&
              window.indices_mode != 0,
          std::string(name) +
              ": indices that no forward pooling of this mode "
              "returned",
          "same returnIndicesMode, not None, in forward and gradient");
  Value source;
  source.dims = shape;
  source.type = dy->type;
  Dims out = data_dims(pool_output(name, &source, window), window);
  check_gradient(name, dy, out);
  check_gradient(name, indices, out);
  Node* node =
      add_node(graph, Op::max_pool_indices_gradient, name, {dy, indices});
  node->window = window;
  return add_output(node, shape, dy->type);
}

Value* add_matmul(Graph* graph, Value* a, Value* b) {
  const char* name = "matrixMultiplication";
  same_types(name, {a, b});
  floats_only(name, a);
  size_t m = a->dims.size(), n = b->dims.size();
  require(
      m >= 2 && n >= 2 && a->dims[m - 1] == b->dims[n - 2],
      std::string(name) + ": " + describe(a->dims) + " by " + describe(b->dims),
      failed_inference);
  Dims dims = broadcast(name, Dims(a->dims.begin(), a->dims.end() - 2),
                        Dims(b->dims.begin(), b->dims.end() - 2));
  dims.push_back(a->dims[m - 2]);
  dims.push_back(b->dims[n - 1]);
  return add_output(add_node(graph, Op::matmul, name, {a, b}), dims, a->type);
}

Value* add_softmax(Graph* graph, Value* x, int64_t axis) {
  floats_only("softMax", x);
  Node* node = add_node(graph, Op::softmax, "softMax", {x});
  node->numbers = {wrap_axis("softMax", x, axis)};
  return add_output(node, x->dims, x->type);
}

namespace {

Node* add_gradient_of(Graph* graph, Op op, const char* name, Value* dy,
                      Value* x) {
  same_types(name, {dy, x});
  floats_only(name, x);
  require(dy->dims == x->dims,
          std::string(name) + ": incoming gradient " + describe(dy->dims) +
              " for a source " + describe(x->dims),
          failed_inference);
  Node* node = add_node(graph, op, name, {dy, x});
  add_output(node, x->dims, x->type);
  return node;
}

}  // namespace

Value* add_softmax_gradient(Graph* graph, Value* dy, Value* x, int64_t axis) {
  Node* node =
      add_gradient_of(graph, Op::softmax_gradient, "softMaxGradient", dy, x);
  node->numbers = {wrap_axis("softMaxGradient", x, axis)};
  return node->outputs[0].get();
}

Value* add_activation_gradient(Graph* graph, Op op, Value* dy, Value* x) {
  const char* name =
      op == Op::relu_gradient ? "reLUGradient" : "sigmoidGradient";
  return add_gradient_of(graph, op, name, dy, x)->outputs[0].get();
}

namespace {

void check_labels(const char* name, const Value* x, const Value* labels) {
  floats_only(name, x);
  require(labels->dims == x->dims && labels->type == x->type,
          std::string(name) + ": labels " +
              describe(labels->dims, labels->type) + " for logits " +
              describe(x->dims, x->type),
          "labels have the shape and type of the logits");
}

}  // namespace

Value* add_cross_entropy(Graph* graph, Value* x, Value* labels, int64_t axis,
                         int64_t reduction) {
  const char* name = "softMaxCrossEntropy";
  check_labels(name, x, labels);
  Node* node = add_node(graph, Op::cross_entropy, name, {x, labels});
  axis = wrap_axis(name, x, axis);
  node->numbers = {axis, reduction};
  Value* loss =
      add_output(node, reduction ? Dims{1} : keep_dims(x, {axis}), x->type);
  loss->rank = reduction ? Rank::scalar : Rank::unknown;
  return loss;
}

Value* add_cross_entropy_gradient(Graph* graph, Value* dy, Value* x,
                                  Value* labels, int64_t axis,
                                  int64_t reduction) {
  const char* name = "softMaxCrossEntropyGradient";
  check_labels(name, x, labels);
  same_types(name, {dy, x});
  axis = wrap_axis(name, x, axis);
  if (reduction) {
    require(count(dy->dims) == 1,
            std::string(name) + ": incoming gradient " + describe(dy->dims),
            "a scalar where the loss was reduced");
  } else {
    require(dy->dims == keep_dims(x, {axis}),
            std::string(name) + ": incoming gradient " + describe(dy->dims) +
                " of a loss per row of " + describe(x->dims),
            failed_inference);
  }
  Node* node =
      add_node(graph, Op::cross_entropy_gradient, name, {dy, x, labels});
  node->numbers = {axis, reduction};
  return add_output(node, x->dims, x->type);
}

Value* add_one_hot(Graph* graph, Value* indices, int64_t depth, int64_t axis,
                   Type type, double on, double off) {
  require(!is_float(indices->type) && indices->type != Type::boolean,
          "oneHot of " + describe(indices->dims, indices->type),
          "indices are integers");
  int64_t rank = static_cast<int64_t>(indices->dims.size());
  require(axis >= -1 && axis <= rank, "oneHot: axis " + std::to_string(axis),
          "axis out of range");
  if (axis < 0) axis = rank;
  Dims dims = indices->dims;
  dims.insert(dims.begin() + axis, depth);
  Node* node = add_node(graph, Op::one_hot, "oneHot", {indices});
  node->numbers = {axis};
  node->real = on;
  node->more_real = off;
  return add_output(node, dims, type);
}

Value* add_reshape(Graph* graph, Value* x, Dims dims) {
  int64_t product = 1;
  int64_t* open = nullptr;
  for (int64_t& dim : dims) {
    if (dim == -1) {
      require(!open, "reshape to " + describe(dims), "one -1 at most");
      open = &dim;
    } else {
      product *= dim;
    }
  }
  int64_t size = count(x->dims);
  if (open && product > 0 && size % product == 0) {
    *open = size / product;
    product = size;
  }
  require(product == size,
          "reshape of " + describe(x->dims) + " to " + describe(dims),
          "element count mismatch");
  return add_output(add_node(graph, Op::alias, "reshape", {x}), dims, x->type);
}

Value* add_transpose(Graph* graph, Value* x, const Dims& permutation) {
  Dims sorted = wrap_axes("transpose", x, permutation);
  require(sorted.size() == x->dims.size(),
          "transpose of " + describe(x->dims) + " by " + describe(permutation),
          "a permutation of all dimensions");
  Dims dims;
  for (int64_t axis : permutation) {
    dims.push_back(x->dims[wrap_axis("transpose", x, axis)]);
  }
  Node* node = add_node(graph, Op::transpose, "transpose", {x});
  node->numbers = permutation;
  for (int64_t& axis : node->numbers) axis = wrap_axis("transpose", x, axis);
  return add_output(node, dims, x->type);
}

Value* add_slice(Graph* graph, Value* x, Dims starts, Dims ends,
                 const Dims& strides) {
  size_t rank = x->dims.size();
  require(
      starts.size() == rank && ends.size() == rank && strides.size() == rank,
      "slice of " + describe(x->dims) + " with starts " + describe(starts),
      "one start, end and stride for each dimension");
  Dims dims;
  for (size_t i = 0; i < rank; ++i) {
    if (starts[i] < 0) starts[i] += x->dims[i];
    if (ends[i] < 0) ends[i] += x->dims[i];
    require(starts[i] >= 0 && ends[i] <= x->dims[i] && starts[i] < ends[i] &&
                strides[i] > 0,
            "slice of " + describe(x->dims) + " from " + describe(starts) +
                " to " + describe(ends),
            "inside the tensor, not empty, strides positive");
    dims.push_back((ends[i] - starts[i] + strides[i] - 1) / strides[i]);
  }
  Node* node = add_node(graph, Op::slice, "slice", {x});
  node->numbers = starts;
  node->more_numbers = strides;
  return add_output(node, dims, x->type);
}

Value* add_concat(Graph* graph, const Values& values, int64_t axis) {
  require(!values.empty(), "concat of nothing", "at least one tensor");
  same_types("concat", values);
  axis = wrap_axis("concat", values[0], axis);
  Dims dims = values[0]->dims;
  dims[axis] = 0;
  for (const Value* value : values) {
    bool fits = value->dims.size() == dims.size();
    for (size_t i = 0; fits && i < dims.size(); ++i) {
      fits = static_cast<int64_t>(i) == axis || value->dims[i] == dims[i];
    }
    require(fits,
            "concat of " + describe(values[0]->dims) + " and " +
                describe(value->dims),
            failed_inference);
    dims[axis] += value->dims[axis];
  }
  Node* node = add_node(graph, Op::concat, "concat", values);
  node->numbers = {axis};
  return add_output(node, dims, values[0]->type);
}

Value* add_broadcast(Graph* graph, Value* x, const Dims& dims) {
  broadcasts_to("broadcast", x->dims, dims);
  return add_output(add_node(graph, Op::broadcast, "broadcast", {x}), dims,
                    x->type);
}

Value* add_expand_dims(Graph* graph, Value* x, Dims axes) {
  int64_t rank = static_cast<int64_t>(x->dims.size() + axes.size());
  for (int64_t& axis : axes) {
    require(axis >= -rank && axis < rank,
            "expandDims: axis " + std::to_string(axis), "axis out of range");
    if (axis < 0) axis += rank;
  }
  std::sort(axes.begin(), axes.end());
  Dims dims = x->dims;
  for (int64_t axis : axes) dims.insert(dims.begin() + axis, 1);
  return add_output(add_node(graph, Op::alias, "expandDims", {x}), dims,
                    x->type);
}

Value* add_squeeze(Graph* graph, Value* x, const Dims* axes) {
  Dims chosen, dims;
  if (axes) chosen = wrap_axes("squeeze", x, *axes);
  for (size_t i = 0; i < x->dims.size(); ++i) {
    bool drop = axes ? std::binary_search(chosen.begin(), chosen.end(),
                                          static_cast<int64_t>(i))
                     : x->dims[i] == 1;
    require(!drop || x->dims[i] == 1,
            "squeeze of dimension " + std::to_string(i) + " of " +
                describe(x->dims),
            "only dimensions of size 1");
    if (!drop) dims.push_back(x->dims[i]);
  }
  return add_output(add_node(graph, Op::alias, "squeeze", {x}), dims, x->type);
}

namespace {

Dims padded(const Value* x, int64_t mode, const Dims& left, const Dims& right) {
  size_t rank = x->dims.size();
  require(left.size() == rank && right.size() == rank,
          "pad of " + describe(x->dims) + " by " + describe(left) + " and " +
              describe(right),
          "one padding for each dimension");
  require(mode >= 0 && mode <= 4, "pad: mode " + std::to_string(mode),
          "the stand-in has no periodic padding");
  Dims dims = x->dims;
  for (size_t i = 0; i < rank; ++i) {
    int64_t most = mode == 1 ? dims[i] - 1 : mode == 2 ? dims[i] : INT32_MAX;
    require(
        left[i] >= 0 && right[i] >= 0 && left[i] <= most && right[i] <= most,
        "pad of " + describe(x->dims) + " by " + describe(left) + " and " +
            describe(right),
        "paddings are positive and reflect inside the tensor");
    dims[i] += left[i] + right[i];
  }
  return dims;
}

}  // namespace

Value* add_pad(Graph* graph, Value* x, int64_t mode, const Dims& left,
               const Dims& right, double value) {
  Node* node = add_node(graph, Op::pad, "pad", {x});
  node->numbers = left;
  node->more_numbers = {mode};
  node->real = mode == 0 ? value : 0;
  return add_output(node, padded(x, mode, left, right), x->type);
}

Value* add_pad_gradient(Graph* graph, Value* dy, Value* x, int64_t mode,
                        const Dims& left, const Dims& right) {
  same_types("padGradient", {dy, x});
  floats_only("padGradient", x);
  check_gradient("padGradient", dy, padded(x, mode, left, right));
  Node* node = add_node(graph, Op::pad_gradient, "padGradient", {dy, x});
  node->numbers = left;
  node->more_numbers = {mode};
  return add_output(node, x->dims, x->type);
}

Value* add_reverse(Graph* graph, Value* x, const Dims& axes) {
  Node* node = add_node(graph, Op::reverse, "reverse", {x});
  node->numbers = wrap_axes("reverse", x, axes);
  return add_output(node, x->dims, x->type);
}

namespace {

Dims all_axes(const Value* x) {
  Dims axes;
  for (size_t i = 0; i < x->dims.size(); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  return axes;
}

}  // namespace

Value* add_reduce(Graph* graph, Function function, Value* x, const Dims* axes) {
  bool logical =
      function == Function::logical_and || function == Function::logical_or;
  require(logical == (x->type == Type::boolean),
          "reduction of " + describe(x->dims, x->type),
          "And, Or: Bool; the others: numbers");
  Node* node = add_node(graph, Op::reduce, "reduction", {x});
  node->function = function;
  node->numbers = axes ? wrap_axes("reduction", x, *axes) : all_axes(x);
  return add_output(node, keep_dims(x, node->numbers), x->type);
}

Value* add_arg(Graph* graph, Function function, Value* x, int64_t axis) {
  Node* node = add_node(graph, Op::arg, "reductionArgMaximum", {x});
  node->function = function;
  node->numbers = {wrap_axis("reductionArgMaximum", x, axis)};
  return add_output(node, keep_dims(x, node->numbers), Type::int32);
}

Value* add_mean(Graph* graph, Value* x, const Dims& axes) {
  floats_only("mean", x);
  Node* node = add_node(graph, Op::mean, "mean", {x});
  node->numbers = wrap_axes("mean", x, axes);
  return add_output(node, keep_dims(x, node->numbers), x->type);
}

Value* add_variance(Graph* graph, Value* x, Value* mean, const Dims& axes) {
  floats_only("variance", x);
  if (!mean) mean = add_mean(graph, x, axes);
  same_types("variance", {x, mean});
  Dims wrapped = wrap_axes("variance", x, axes);
  require(mean->dims == keep_dims(x, wrapped),
          "variance: mean " + describe(mean->dims) + " of " + describe(x->dims),
          "shaped for broadcast: reduced axes are 1");
  Node* node = add_node(graph, Op::variance, "variance", {x, mean});
  node->numbers = wrapped;
  return add_output(node, mean->dims, x->type);
}

namespace {

// Statistics and parameters: as many dimensions as x, each 1 or x's.
void check_statistics(const char* name, const Value* x, const Values& others) {
  floats_only(name, x);
  const Dims* first = nullptr;
  for (const Value* other : others) {
    if (!other) continue;
    if (!first) first = &other->dims;
    require(
        other->dims.size() == x->dims.size() && other->dims == *first,
        std::string(name) + ": " + describe(other->dims) + " for " +
            describe(x->dims),
        "mean, variance, gamma and beta have one shape, 1x1x1xC or 1xCx1x1");
    broadcasts_to(name, other->dims, x->dims);
  }
}

void check_reduced(const char* name, const Value* x, const Value* mean,
                   const Dims& axes) {
  require(mean->dims == keep_dims(x, wrap_axes(name, x, axes)),
          std::string(name) + ": mean " + describe(mean->dims) + ", axes " +
              describe(axes),
          "reduction axes as in forward");
}

}  // namespace

Value* add_normalization(Graph* graph, Value* x, Value* mean, Value* variance,
                         Value* gamma, Value* beta, float epsilon) {
  const char* name = "normalization";
  same_types(name, {x, mean, variance, gamma, beta});
  check_statistics(name, x, {mean, variance, gamma, beta});
  Node* node = add_node(graph, Op::normalization, name,
                        {x, mean, variance, gamma, beta});
  node->real = epsilon;
  return add_output(node, x->dims, x->type);
}

Value* add_gamma_gradient(Graph* graph, Value* dy, Value* x, Value* mean,
                          Value* variance, const Dims& axes, float epsilon) {
  const char* name = "normalizationGammaGradient";
  same_types(name, {dy, x, mean, variance});
  check_gradient(name, dy, x->dims);
  check_statistics(name, x, {mean, variance});
  check_reduced(name, x, mean, axes);
  Node* node =
      add_node(graph, Op::gamma_gradient, name, {dy, x, mean, variance});
  node->real = epsilon;
  return add_output(node, mean->dims, x->type);
}

Value* add_normalization_gradient(Graph* graph, Value* dy, Value* x,
                                  Value* mean, Value* variance, Value* gamma,
                                  Value* dgamma, Value* dbeta, const Dims& axes,
                                  float epsilon) {
  const char* name = "normalizationGradient";
  require(dgamma && dbeta, std::string(name) + ": no gamma or beta gradient",
          "pass the results of the two sibling operations");
  same_types(name, {dy, x, mean, variance, gamma, dgamma, dbeta});
  check_gradient(name, dy, x->dims);
  check_statistics(name, x, {mean, variance, gamma, dgamma, dbeta});
  check_reduced(name, x, mean, axes);
  Node* node = add_node(graph, Op::normalization_gradient, name,
                        {dy, x, mean, variance, gamma, dgamma, dbeta});
  node->real = epsilon;
  return add_output(node, x->dims, x->type);
}

namespace {

void check_scalar(const char* name, const Value* value) {
  require(count(value->dims) == 1,
          std::string(name) + ": " + describe(value->dims), "a scalar");
}

void check_updates(const char* name, const Values& values) {
  for (const Value* value : values) {
    if (!value) continue;
    require(value->dims == values[0]->dims,
            std::string(name) + ": " + describe(value->dims) + " with " +
                describe(values[0]->dims),
            "values, gradient and state have one shape");
  }
}

}  // namespace

Value* add_sgd(Graph* graph, Value* rate, Value* values, Value* gradient) {
  const char* name = "stochasticGradientDescent";
  same_types(name, {rate, values, gradient});
  floats_only(name, values);
  check_scalar(name, rate);
  check_updates(name, {values, gradient});
  return add_output(add_node(graph, Op::sgd, name, {rate, values, gradient}),
                    values->dims, values->type);
}

Values add_adam(Graph* graph, const Values& inputs) {
  same_types("adam", inputs);
  floats_only("adam", inputs[4]);
  for (size_t i = 0; i < 4; ++i) check_scalar("adam", inputs[i]);
  check_updates("adam", Values(inputs.begin() + 4, inputs.end()));
  Node* node = add_node(graph, Op::adam, "adam", inputs);
  Values outputs;
  for (size_t i = 0; i < (inputs.back() ? 4u : 3u); ++i) {
    outputs.push_back(add_output(node, inputs[4]->dims, inputs[4]->type));
  }
  return outputs;
}

Value* add_random_state(Graph* graph, const Word (&state)[7]) {
  return add_constant(graph, state, sizeof(state), {7}, Type::int32);
}

Values add_random(Graph* graph, const Dims& dims, Type type, Value* state,
                  const Random& random) {
  require(state->type == Type::int32 && state->dims == Dims{7},
          "randomTensor: state " + describe(state->dims, state->type),
          "the state is i32[7]");
  require(type == Type::float32 || type == Type::float16 || type == Type::int32,
          std::string("randomTensor of ") + type_name(type),
          "f32, f16 and i32 only");
  require(dims.size() < 5, "randomTensor: " + describe(dims),
          "wrong from rank 5 on: generate flat, then reshape");
  Node* node = add_node(graph, Op::random, "randomTensor", {state});
  node->numbers = {random.normal};
  node->real = random.normal ? random.mean : random.minimum;
  node->more_real = random.normal ? random.deviation : random.maximum;
  Value* values = add_output(node, dims, type);
  values->rank = Rank::unknown;
  return {values, add_output(node, {7}, Type::int32)};
}

}  // namespace standin
