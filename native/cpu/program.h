#pragma once

#include <functional>
#include <map>
#include <vector>

#include "arena.h"
#include "dense.h"
#include "stage.h"

namespace birbs::cpu {

// A graph with the memory of its values, which lie where others are no longer
// needed, and its stages, made once for each batch size that it meets.
class Program {
 public:
  // `batch_size` is the largest.
  Program(const Graph& graph, int batch_size, bool training, Shared& shared);

  // The stages of all nodes for one batch size.
  struct Pass {
    struct Sum {  // a gradient that is added to others
      const float* part;
      float* whole;
      int64_t size;
    };
    std::vector<std::unique_ptr<Stage>> stages;
    std::vector<Sum> sums;           // of each node; size 0: none
    std::vector<DenseStage*> dense;  // that learn
  };
  Pass& pass_for(int count);

  // Convolutions without backward take their weights, and the batch norm behind
  // them, as the parameters are now.
  void fold();
  // Whether all of these are numbers.
  bool finite() const { return finite_; }

  void forward(Pass& pass, const Phase& phase);
  // Calls ready(node, stage) when all gradients of a node's parameters are
  // there, but for those that DenseStage::visit_weights computes.
  using Ready = std::function<void(const Node& node, Stage& stage)>;
  void backward(Pass& pass, const Ready& ready);

  const Graph& graph() const { return graph_; }
  float* value(int value) const { return at(values_[value]); }
  float* gradient(int value) const { return at(gradients_[value]); }
  int64_t bytes() const;

 private:
  class Planner;
  Bindings bind(size_t node, int count, Pass::Sum* sum) const;
  void make_stages(Pass& pass, int count);
  void fold_node(const Node& node, NodeMemory& memory);
  float* at(int64_t offset) const {
    return offset < 0 ? nullptr : arena_.floats() + offset;
  }

  const Graph& graph_;
  Shared& shared_;
  bool finite_ = true;
  std::vector<int64_t> values_, gradients_, parts_;  // offsets, -1: none
  // Of each node's inputs: whether their gradient has an earlier summand.
  std::vector<std::vector<bool>> later_;
  Buffer arena_;
  std::vector<NodeMemory> memories_;
  std::map<int, Pass> passes_;
};

}  // namespace birbs::cpu
