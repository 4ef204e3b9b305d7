#pragma once

#include <vector>

#include "buffer.h"
#include "graph.h"
#include "optimizer.h"

namespace birbs::cpu {

// Some consecutive weights and what belongs to them.
struct Chunk {
  float* values;
  const float* gradients;
  float *first, *second;  // moments; null where the optimizer has none
  int64_t count;
  size_t group;  // of Parameters::groups()
};

// All parameters, gradients and moments, each tensor in the layout its
// primitive likes; PyTorch's layout only at the door. The gradients of dense
// weights are stored only where other ranks need them (see DenseGradient), so
// these weights come last.
class Parameters {
 public:
  // The graph is that of training and outlives this.
  Parameters(const Optimizer& optimizer, const Plan& plan, const Graph& graph,
             bool store_all);

  // The nth parameter of a layer, null if it has none: values, stored
  // gradients and how many they are, filled up.
  float* value(size_t layer, size_t nth) const;
  float* gradient(size_t layer, size_t nth) const;
  int64_t size(size_t layer, size_t nth) const;
  bool has(size_t layer, size_t nth) const;

  // What sets updates apart, and the parameters with stored gradients that go
  // together.
  struct Range {
    int64_t offset, count;
    size_t group;
  };
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  size_t group(size_t layer, size_t nth) const;

  // Part of a range, or of the weights of a dense layer.
  Chunk chunk(int64_t offset, int64_t count, size_t group) const;
  Chunk chunk(float* values, const float* gradients, int64_t count,
              size_t group) const;
  int64_t stored() const { return stored_; }
  int64_t size() const { return size_; }
  const float* values() const { return values_.floats(); }

  // PyTorch's layout; empty if the layer has none.
  std::vector<float> plain(size_t layer, size_t nth) const;
  // The weights of a convolution as its node likes them.
  void pack_convolution(const Node& node, const float* plain,
                        float* packed) const;

  // PyTorch's layout, Plan order. Statistics are running means and variances.
  void read_values(float* flat) const;
  void write_values(const float* flat);
  void read_moments(float* flat) const;
  void write_moments(const float* flat);
  // From an array laid out as values().
  void read_gradients(const float* packed, float* flat) const;

  int64_t bytes() const;

 private:
  void find_groups(const Optimizer& optimizer);
  int64_t place_values();
  struct Slot {
    int64_t offset = 0;  // in the arrays below; running statistics in theirs
    int64_t size = 0;
    const Node* dense = nullptr;        // dense weights
    const Node* convolution = nullptr;  // convolution weights
  };
  void unpack(size_t index, const float* packed, float* flat) const;
  void pack(size_t index, const float* flat, float* packed) const;
  const Slot* find(size_t layer, size_t nth) const;
  float* moment(int which) const;

  bool is_stored(const Slot& slot) const { return store_all_ || !slot.dense; }

  const Plan& plan_;
  bool store_all_;
  int moments_;
  std::vector<Slot> slots_;                  // of each parameter
  std::vector<std::vector<size_t>> layers_;  // parameters of each layer
  std::vector<ParameterGroup> groups_;
  std::vector<size_t> group_of_;  // of each parameter
  std::vector<Range> ranges_;
  int64_t stored_ = 0, size_ = 0;
  Buffer values_, gradients_, moment_values_, statistics_;
};

}  // namespace birbs::cpu
