#include "graph.h"

#include <algorithm>
#include <map>

#include "convolution.h"
#include "dense.h"
#include "fusion.h"

namespace birbs::cpu {
namespace {

bool is_2x2(const Layer& layer) {
  const Window& at = layer.window;
  return layer.kind == OpKind::max_pool2d && at.kernel_height == 2 &&
         at.kernel_width == 2 && at.stride_height == 2 &&
         at.stride_width == 2 &&
         at.pad_top + at.pad_bottom + at.pad_left + at.pad_right == 0;
}

bool same_layout(const Layout& a, const Layout& b) {
  return a.tag == b.tag || (a.plain() && b.plain());
}

// Walks the layers once, taking as many as one node can do.
class Builder {
 public:
  // `training` is null for a graph of training.
  Builder(const Plan& plan, int batch_size, int target, const Graph* training)
      : plan_(plan),
        batch_size_(batch_size),
        target_(target),
        training_(training),
        needed_(layers_before(plan, target)) {
    graph_.layouts.resize(plan.shapes.size());
    graph_.layouts[0].shape = plan.shapes[0];
    for (int value = 0; value < plan.value_count(); ++value) {
      root_.push_back(value);
      graph_.learns.push_back(!training && plan.learns[value]);
    }
  }

  Graph build() {
    const size_t layers = plan_.layers.size();
    while (next_ < layers) {
      const size_t layer = next_;
      if (!needed_[layer]) {
        ++next_;
        continue;
      }
      try {
        add();
      } catch (const dnnl::error& error) {
        refuse(plan_, layer, error);
      }
    }
    graph_.target = root_[target_];
    return std::move(graph_);
  }

 private:
  const Layer& layer() const { return plan_.layers[next_]; }

  // Whether the next layer is the only one to read what comes before it.
  bool only_reader() const {
    const int value = static_cast<int>(next_);
    return value != target_ && next_ < plan_.layers.size() &&
           plan_.readers[value] == std::vector<int>{value};
  }

  bool take(OpKind kind) {
    if (!only_reader() || layer().kind != kind) return false;
    ++next_;
    return true;
  }

  bool take_2x2() {
    if (!only_reader() || !is_2x2(layer())) return false;
    ++next_;
    return true;
  }

  Activation take_activation() {
    if (take(OpKind::relu)) return Activation::relu;
    return take(OpKind::relu6) ? Activation::relu6 : Activation::none;
  }

  // The layout of the output is known, what is left follows from the graph.
  void push(Node node) {
    node.output = static_cast<int>(next_);
    graph_.layouts[node.output] = node.out;
    graph_.nodes.push_back(std::move(node));
  }

  // An input in another layout: the value of a reorder.
  int reordered(int value, const Layout& wanted, size_t layer) {
    if (same_layout(graph_.layouts[value], wanted)) return value;
    const auto key = std::make_pair(value, static_cast<int>(wanted.tag));
    const auto found = reorders_.find(key);
    if (found != reorders_.end()) return found->second;
    Node node;
    node.kernel = Kernel::reorder;
    node.layer = layer;
    node.inputs = {value};
    node.in = graph_.layouts[value];
    node.out = wanted;
    node.out.shape = node.in.shape;
    node.input_gradient = graph_.learns[value];
    node.inference = !node.input_gradient;
    node.output = static_cast<int>(graph_.layouts.size());
    graph_.layouts.push_back(node.out);
    graph_.learns.push_back(graph_.learns[value]);
    reorders_.emplace(key, node.output);
    graph_.nodes.push_back(node);
    return node.output;
  }

  void add() {
    Node node;
    node.layer = next_;
    for (int value : plan_.inputs[next_]) node.inputs.push_back(root_[value]);
    const int input = node.inputs[0];
    node.inference = training_ || !plan_.learns[next_ + 1];
    node.input_gradient = graph_.learns[input];
    node.learns =
        !node.inference && !layer().frozen && op_type(layer().kind).parameters;
    node.in = node.out = graph_.layouts[input];
    const OpKind kind = layer().kind;
    if (kind == OpKind::flatten || (kind == OpKind::dropout && training_)) {
      // Memory stays as it is; a dense layer knows what lies where.
      root_[++next_] = input;
      return;
    }
    const Shape& shape = plan_.shapes[next_ + 1];
    if (!shape.flat) node.out.shape = shape;
    switch (kind) {
      case OpKind::conv2d:
        return add_convolution(node);
      case OpKind::batch_norm2d:
        return add_batch_norm(node);
      case OpKind::relu:
      case OpKind::relu6:
        return add_activation(node);
      case OpKind::max_pool2d:
        return add_max_pool(node);
      case OpKind::add:
        return add_sum(node);
      case OpKind::dense:
        return add_dense(node);
      case OpKind::dropout:
        node.kernel = Kernel::dropout;
        break;
      default:  // the averages
        node.kernel = Kernel::pooling;
    }
    ++next_;
    push(node);
  }

  // Whether the sum may overwrite a value, because it is not read later.
  bool dies(int value, int last_layer) const {
    for (int other = 0; other < plan_.value_count(); ++other) {
      if (root_[other] != value) continue;
      if (other == target_) return false;
      for (int reader : plan_.readers[other]) {
        if (needed_[reader] && reader > last_layer) return false;
      }
    }
    return true;
  }

  // The convolution is added where the addend lies.
  bool may_sum(const Node& node, const Fusion& fusion) const {
    const int addend = root_[fusion.addend];
    return addend > 0 && addend != node.inputs[0] && dies(addend, fusion.add);
  }

  // Batch norm, a sum and an activation where there is no backward.
  void fuse_inference(Node& node) {
    Fusion fusion =
        fuse_convolution(plan_, static_cast<int>(node.layer), target_);
    if (fusion.addend >= 0 && !may_sum(node, fusion)) {
      fusion.addend = fusion.activation = -1;
      fusion.output = fusion.add;  // the value before it
    }
    if (!training_ && plan_.learns[fusion.output]) return;
    if (fusion.addend >= 0) node.inputs.push_back(root_[fusion.addend]);
    node.norm = fusion.norm;
    if (fusion.activation >= 0) {
      const bool six = plan_.layers[fusion.activation].kind == OpKind::relu6;
      node.activation = six ? Activation::relu6 : Activation::relu;
    }
    next_ = fusion.output;
  }

  void add_convolution(Node node) {
    const Layer& convolution = plan_.layers[next_++];
    node.kernel = Kernel::convolution;
    node.middle.shape = plan_.shapes[next_];
    if (node.inference) {
      fuse_inference(node);
    } else {
      node.activation = take_activation();
    }
    if (!node.sums() && node.activation != Activation::relu6) {
      node.pooled = take_2x2();
      if (node.pooled && take(OpKind::relu)) {
        node.activation = Activation::relu;
      }
    }
    const int input = node.inputs[0];
    const bool first = input == 0 && graph_.nodes.empty();
    const Layout before = graph_.layouts[input];
    choose_convolution(convolution, node, first ? nullptr : &before,
                       batch_size_);
    node.out = node.middle;
    node.out.shape = plan_.shapes[next_];
    if (first) {
      graph_.layouts[0] = node.in;
    } else {
      node.inputs[0] = reordered(input, node.in, node.layer);
    }
    if (node.sums()) {
      node.inputs[1] = reordered(node.inputs[1], node.out, node.layer);
    }
    push(node);
  }

  void add_batch_norm(Node node) {
    ++next_;
    node.kernel = Kernel::batch_norm;
    // Pooling that follows a ReLU does it at no cost.
    const bool pooling_follows =
        next_ + 1 < plan_.layers.size() && is_2x2(plan_.layers[next_ + 1]);
    if (!pooling_follows) node.activation = take_activation();
    push(node);
  }

  void add_activation(Node node) {
    const bool six = plan_.layers[next_++].kind == OpKind::relu6;
    node.kernel = Kernel::activation;
    node.activation = six ? Activation::relu6 : Activation::relu;
    if (!six && take_2x2()) {
      node.kernel = Kernel::max_pool_2x2;
      node.out.shape = plan_.shapes[next_];
    }
    push(node);
  }

  void add_max_pool(Node node) {
    node.kernel = Kernel::pooling;
    if (is_2x2(plan_.layers[next_++])) {
      node.kernel = Kernel::max_pool_2x2;
      if (take(OpKind::relu)) node.activation = Activation::relu;
    }
    push(node);
  }

  void add_sum(Node node) {
    ++next_;
    node.kernel = Kernel::add;
    if (plan_.shapes[next_].flat) {  // images may lie in it in any layout
      for (int& input : node.inputs) {
        input =
            reordered(input, Layout{graph_.layouts[input].shape}, node.layer);
      }
      node.in = node.out = Layout{plan_.shapes[next_]};
    } else {
      node.inputs[1] = reordered(node.inputs[1], node.in, node.layer);
    }
    node.activation = take_activation();
    push(node);
  }

  void add_dense(Node node) {
    const Layer& dense = plan_.layers[next_++];
    node.kernel = Kernel::dense;
    node.out = Layout{plan_.shapes[next_]};
    node.activation = take_activation();
    if (training_) {
      for (const Node& other : training_->nodes) {
        if (other.layer != node.layer || other.kernel != Kernel::dense)
          continue;
        node.inputs[0] = reordered(node.inputs[0], other.in, node.layer);
        node.in = other.in;
        node.weights = other.weights;
        node.panels = other.panels;
      }
    } else {
      choose_dense(dense, node, batch_size_);
    }
    push(node);
  }

  const Plan& plan_;
  int batch_size_, target_;
  const Graph* training_;
  std::vector<bool> needed_;
  std::vector<int> root_;  // the value that is the same memory
  std::map<std::pair<int, int>, int> reorders_;
  Graph graph_;
  size_t next_ = 0;
};

}  // namespace

Graph training_graph(const Plan& plan, int batch_size) {
  return Builder(plan, batch_size, plan.last_value(), nullptr).build();
}

Graph inference_graph(const Plan& plan, int batch_size, int target,
                      const Graph& training) {
  return Builder(plan, batch_size, target, &training).build();
}

void refuse(const Plan& plan, size_t layer, const dnnl::error& error) {
  if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
  throw Error(layer_prefix(plan.layers[layer].kind, layer) + "oneDNN failed, " +
              error.what() + " (" + dnnl_status2str(error.status) +
              "); take the portable device for this network.");
}

}  // namespace birbs::cpu
