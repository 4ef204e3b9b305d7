#include "graph.h"

#include "convolution.h"
#include "dense.h"

namespace birbs::cpu {
namespace {

bool is_2x2(const Layer& layer) {
  const Window& at = layer.window;
  return layer.kind == OpKind::max_pool2d && at.kernel_height == 2 &&
         at.kernel_width == 2 && at.stride_height == 2 &&
         at.stride_width == 2 &&
         at.pad_top + at.pad_bottom + at.pad_left + at.pad_right == 0;
}

// Walks the layers once, taking as many as one node can do.
class Builder {
 public:
  Builder(const Network& network, const Plan& plan, int batch_size)
      : network_(network), plan_(plan), batch_size_(batch_size) {
    while (first_layer_ < network.layers.size() && !learns(first_layer_)) {
      ++first_layer_;
    }
    graph_.input.shape = network.input;
  }

  Graph build() {
    const size_t layers = network_.layers.size();
    while (next_ < layers) {
      const size_t layer = next_;
      try {
        add();
      } catch (const dnnl::error& error) {
        refuse(network_, layer, error);
      }
    }
    return std::move(graph_);
  }

 private:
  bool learns(size_t layer) const {
    for (const Parameter& parameter : plan_.parameters) {
      if (parameter.layer == static_cast<int>(layer)) return true;
    }
    return false;
  }

  const Layout& current() const {
    return graph_.nodes.empty() ? graph_.input : graph_.nodes.back().out;
  }

  bool take(OpKind kind) {
    if (next_ >= network_.layers.size()) return false;
    if (network_.layers[next_].kind != kind) return false;
    ++next_;
    return true;
  }

  bool take_2x2() {
    if (next_ >= network_.layers.size()) return false;
    if (!is_2x2(network_.layers[next_])) return false;
    ++next_;
    return true;
  }

  void push(Node node) {
    if (node.layer < first_layer_) graph_.first_trainable++;
    graph_.nodes.push_back(std::move(node));
  }

  void add() {
    const Layer& layer = network_.layers[next_];
    Node node;
    node.layer = next_;
    node.input_gradient = next_ > first_layer_;
    node.in = node.out = current();
    node.out.shape = plan_.shapes[next_ + 1];
    switch (layer.kind) {
      case OpKind::conv2d:
        return add_convolution(node);
      case OpKind::batch_norm2d:
        return add_batch_norm(node);
      case OpKind::relu:
        return add_relu(node);
      case OpKind::max_pool2d:
        return add_max_pool(node);
      case OpKind::avg_pool2d:
      case OpKind::global_avg_pool2d:
        ++next_;
        node.work = Work::pooling;
        return push(node);
      case OpKind::flatten:
        // Memory stays as it is; a dense layer knows what lies where.
        ++next_;
        return;
      case OpKind::dense:
        return add_dense(node);
      case OpKind::dropout:
        ++next_;
        node.work = Work::dropout;
        node.out = node.in;
        return push(node);
      default:
        ++next_;
    }
  }

  void add_convolution(Node node) {
    const Layer& layer = network_.layers[next_++];
    node.work = Work::convolution;
    node.middle.shape = node.out.shape;
    node.relu = take(OpKind::relu);
    node.pooled = take_2x2();
    if (node.pooled) node.relu = take(OpKind::relu) || node.relu;
    const Layout before = current();
    const bool reads_images = graph_.nodes.empty();
    choose_convolution(layer, node, reads_images ? nullptr : &before,
                       batch_size_);
    node.out = node.middle;
    node.out.shape = plan_.shapes[next_];
    if (reads_images) {
      graph_.input = node.in;
    } else if (node.in.tag != before.tag) {
      Node reorder;
      reorder.work = Work::reorder;
      reorder.layer = node.layer;
      reorder.in = before;
      reorder.out = node.in;
      push(reorder);
    }
    push(node);
  }

  void add_batch_norm(Node node) {
    ++next_;
    node.work = Work::batch_norm;
    // Pooling that follows a ReLU does it at no cost.
    const bool pooling_follows = next_ + 1 < network_.layers.size() &&
                                 is_2x2(network_.layers[next_ + 1]);
    if (!pooling_follows) node.relu = take(OpKind::relu);
    push(node);
  }

  void add_relu(Node node) {
    ++next_;
    node.work = Work::relu;
    node.out = node.in;
    if (take_2x2()) {
      node.work = Work::max_pool_2x2;
      node.relu = true;
      node.out.shape = plan_.shapes[next_];
    }
    push(node);
  }

  void add_max_pool(Node node) {
    node.work = Work::pooling;
    if (is_2x2(network_.layers[next_++])) {
      node.work = Work::max_pool_2x2;
      node.relu = take(OpKind::relu);
    }
    push(node);
  }

  void add_dense(Node node) {
    const Layer& layer = network_.layers[next_++];
    node.work = Work::dense;
    node.out = Layout{plan_.shapes[next_]};
    node.relu = take(OpKind::relu);
    choose_dense(layer, node, batch_size_);
    push(node);
  }

  const Network& network_;
  const Plan& plan_;
  int batch_size_;
  Graph graph_;
  size_t next_ = 0, first_layer_ = 0;
};

}  // namespace

Graph build_graph(const Network& network, const Plan& plan, int batch_size) {
  return Builder(network, plan, batch_size).build();
}

void refuse(const Network& network, size_t layer, const dnnl::error& error) {
  if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
  throw Error("layer " + std::to_string(layer + 1) + " (" +
              op_type(network.layers[layer].kind).name + "): oneDNN failed, " +
              error.what() + " (" + dnnl_status2str(error.status) +
              "); take the portable device for this network.");
}

}  // namespace birbs::cpu
