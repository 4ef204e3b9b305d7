#include "program.h"

#include <algorithm>
#include <cmath>

#include "fusion.h"

namespace birbs::cpu {
namespace {

// Batch sizes a program stays prepared for: the full batch, an epoch's rest,
// and the same of a validation.
constexpr size_t most_passes = 8;

// Whether backward reads what the node read forward, and what it gave.
bool keeps_input(const Node& node) {
  return !node.inference && ((node.learns && node.kernel != Kernel::add) ||
                             node.kernel == Kernel::batch_norm);
}

bool keeps_output(const Node& node) {
  const bool taken = node.pooled || node.kernel == Kernel::max_pool_2x2;
  return !node.inference && !taken && node.activation != Activation::none;
}

// Whether the gradient of the first input may lie where that of the output was.
bool in_place(const Node& node) {
  switch (node.kernel) {
    case Kernel::activation:
    case Kernel::batch_norm:
    case Kernel::dropout:
    case Kernel::add:
      return true;
    default:
      return false;
  }
}

bool all_finite(const float* values, int64_t count) {
  return std::all_of(values, values + count,
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

// Time passes with the nodes: forward 0 .. n-1, the loss at n, backward of node
// i at 2n - i, the update at 2n + 1.
class Program::Planner {
 public:
  Planner(Program& program, int batch_size, bool training)
      : program_(program),
        graph_(program.graph_),
        count_(batch_size),
        training_(training),
        n_(static_cast<int>(graph_.nodes.size())),
        values_(graph_.layouts.size(), -1),
        gradients_(graph_.layouts.size(), -1),
        parts_(n_, -1) {}

  void plan() {
    place_values();
    if (training_) place_gradients();
    const Arena arena = pack_arena(blocks_);
    auto offset = [&](int block) {
      return block < 0 ? -1 : arena.offsets[block];
    };
    for (int block : values_) program_.values_.push_back(offset(block));
    for (int block : gradients_) program_.gradients_.push_back(offset(block));
    for (int block : parts_) program_.parts_.push_back(offset(block));
    program_.arena_ = Buffer(arena.floats * sizeof(float));
  }

 private:
  int begin(int value, int time) {
    blocks_.push_back({graph_.layouts[value].size() * count_, time, time});
    return static_cast<int>(blocks_.size()) - 1;
  }
  void until(int block, int time) {
    blocks_[block].last = std::max(blocks_[block].last, time);
  }
  int back(int node) const { return 2 * n_ - node; }

  void place_values() {
    values_[0] = begin(0, 0);
    for (int i = 0; i < n_; ++i) {
      const Node& node = graph_.nodes[i];
      const bool kept = training_ && keeps_input(node);
      const int last = node.kernel == Kernel::dense ? 2 * n_ + 1 : back(i);
      for (int input : node.inputs) until(values_[input], kept ? last : i);
      if (node.sums()) {
        values_[node.output] = values_[node.inputs[1]];
      } else {
        values_[node.output] = begin(node.output, i);
      }
      if (training_ && keeps_output(node)) until(values_[node.output], back(i));
    }
    until(values_[graph_.target], training_ ? 2 * n_ + 1 : n_);
  }

  void place_gradients() {
    gradients_[graph_.target] = begin(graph_.target, n_);
    program_.later_.resize(n_);
    for (int i = n_; i-- > 0;) {
      const Node& node = graph_.nodes[i];
      if (node.inference) continue;
      const int own = gradients_[node.output];
      until(own, back(i));
      // The update computes the weights' gradients of dense layers.
      if (node.kernel == Kernel::dense && node.learns) until(own, 2 * n_ + 1);
      for (size_t k = 0; k < node.inputs.size(); ++k) {
        const int input = node.inputs[k];
        const bool later = gradients_[input] >= 0;
        program_.later_[i].push_back(later);
        if (!graph_.learns[input]) continue;
        if (later) {
          if (node.kernel != Kernel::add) parts_[i] = begin(input, back(i));
        } else if (k == 0 && in_place(node)) {
          gradients_[input] = own;
        } else {
          gradients_[input] = begin(input, back(i));
        }
      }
    }
  }

  Program& program_;
  const Graph& graph_;
  int count_;
  bool training_;
  int n_;
  std::vector<Lifetime> blocks_;
  std::vector<int> values_, gradients_, parts_;  // blocks
};

Program::Program(const Graph& graph, int batch_size, bool training,
                 Shared& shared)
    : graph_(graph), shared_(shared), memories_(graph.nodes.size()) {
  Planner(*this, batch_size, training).plan();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.kernel != Kernel::convolution || !node.inference) continue;
    memories_[i].weight = Buffer(node.weights.get_size());
    memories_[i].bias = Buffer(shared.layer(node).out_features * sizeof(float));
  }
}

Program::Pass& Program::pass_for(int count) {
  const auto found = passes_.find(count);
  if (found != passes_.end()) return found->second;
  if (passes_.size() >= most_passes) passes_.clear();
  Pass pass;
  make_stages(pass, count);
  return passes_.emplace(count, std::move(pass)).first->second;
}

void Program::make_stages(Pass& pass, int count) {
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    pass.sums.emplace_back();
    try {
      pass.stages.push_back(make_stage(node, bind(i, count, &pass.sums.back()),
                                       memories_[i], shared_));
    } catch (const dnnl::error& error) {
      refuse(shared_.plan, node.layer, error);
    }
    if (node.kernel == Kernel::dense && node.learns) {
      pass.dense.push_back(static_cast<DenseStage*>(pass.stages.back().get()));
    }
  }
}

Bindings Program::bind(size_t index, int count, Pass::Sum* sum) const {
  const Node& node = graph_.nodes[index];
  Bindings bindings;
  bindings.count = count;
  bindings.x = value(node.inputs[0]);
  bindings.y = value(node.output);
  const bool two = node.inputs.size() > 1;
  if (two) bindings.x2 = value(node.inputs[1]);
  if (node.inference) return bindings;
  bindings.dy = gradient(node.output);
  auto wanted = [&](size_t k) {
    const int input = node.inputs[k];
    return graph_.learns[input] ? gradient(input) : nullptr;
  };
  bindings.dx = wanted(0);
  const std::vector<bool>& later = later_[index];
  if (node.kernel == Kernel::add) {
    bindings.dx2 = wanted(1);
    bindings.add_dx = later[0];
    // The same value twice: its gradient has its first summand by then.
    bindings.add_dx2 = later[1];
  } else if (bindings.dx && later[0]) {
    float* part = at(parts_[index]);
    *sum = {part, bindings.dx, count * graph_.layouts[node.inputs[0]].size()};
    bindings.dx = part;
  }
  return bindings;
}

void Program::fold() {
  finite_ = true;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    if (!node.inference) continue;
    if (node.kernel == Kernel::convolution) fold_node(node, memories_[i]);
    if (node.kernel == Kernel::batch_norm) {
      for (size_t nth = 0; nth < 4; ++nth) {
        finite_ =
            finite_ && all_finite(shared_.parameters.value(node.layer, nth),
                                  node.in.shape.channels);
      }
    }
  }
}

void Program::fold_node(const Node& node, NodeMemory& memory) {
  const Parameters& parameters = shared_.parameters;
  const int channels = shared_.layer(node).out_features;
  std::vector<float> weight = parameters.plain(node.layer, 0);
  std::vector<float> bias = parameters.plain(node.layer, 1);
  bias.resize(channels);
  if (node.norm >= 0) {
    auto of = [&](size_t nth) { return parameters.value(node.norm, nth); };
    const ScaleShift norm = scale_shift(of(0), of(1), of(2), of(3), channels,
                                        shared_.plan.layers[node.norm].epsilon);
    const size_t row = weight.size() / channels;
    for (size_t k = 0; k < weight.size(); ++k) {
      weight[k] = static_cast<float>(weight[k] * norm.scale[k / row]);
    }
    for (int c = 0; c < channels; ++c) {
      bias[c] = static_cast<float>(bias[c] * norm.scale[c] + norm.shift[c]);
    }
  }
  finite_ = finite_ && all_finite(weight.data(), weight.size()) &&
            all_finite(bias.data(), channels);
  parameters.pack_convolution(node, weight.data(), memory.weight.floats());
  std::copy_n(bias.data(), channels, memory.bias.floats());
}

void Program::forward(Pass& pass, const Phase& phase) {
  for (size_t i = 0; i < pass.stages.size(); ++i) {
    try {
      pass.stages[i]->forward(phase);
    } catch (const dnnl::error& error) {
      refuse(shared_.plan, graph_.nodes[i].layer, error);
    }
  }
}

// From the gradient of the target. A value that several nodes read gets the sum
// of their gradients.
void Program::backward(Pass& pass, const Ready& ready) {
  for (size_t i = pass.stages.size(); i-- > 0;) {
    if (graph_.nodes[i].inference) continue;
    try {
      pass.stages[i]->backward();
    } catch (const dnnl::error& error) {
      refuse(shared_.plan, graph_.nodes[i].layer, error);
    }
    const Pass::Sum& sum = pass.sums[i];
    if (sum.size > 0) {
      add_to(sum.size, sum.part, sum.whole);
    }
    if (graph_.nodes[i].learns) ready(graph_.nodes[i], *pass.stages[i]);
  }
}

int64_t Program::bytes() const {
  size_t bytes = arena_.bytes();
  for (const NodeMemory& memory : memories_) {
    bytes += memory.workspace.bytes() + memory.statistics.bytes() +
             memory.weight.bytes() + memory.bias.bytes();
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace birbs::cpu
