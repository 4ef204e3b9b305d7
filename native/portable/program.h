#pragma once

#include <memory>
#include <vector>

#include "arena.h"
#include "network.h"

namespace birbs::portable {

// A layer, or a convolution with what is fused into it.
struct Step {
  int layer = 0;
  std::vector<int> inputs;  // values
  int output = 0;           // value
  // Of a convolution in inference; -1: none.
  int norm = -1, addend = -1, activation = -1;
  std::vector<float> weight, bias;  // of a convolution with a batch norm
};

// The layers in the order they run, and the memory of their values: for
// training all that backward needs, for inference what is needed next.
class Program {
 public:
  static Program training(const Plan& plan, int batch_size);
  // Up to the value `target`.
  static Program inference(const Plan& plan, int batch_size, int target);

  std::vector<Step> steps;
  uint64_t folded = 0;  // the version of the parameters in the steps' weights

  // Null where a value has none.
  float* value(int value) const { return at(values_[value]); }
  float* gradient(int value) const { return at(gradients_[value]); }
  // Of the gradient of an input that other layers read as well.
  float* scratch(size_t step) const { return at(scratch_[step]); }
  int64_t bytes() const { return floats_ * sizeof(float); }

 private:
  explicit Program(const Plan& plan);
  int root(int value) const;
  void place(const Plan& plan, int batch_size, bool backward, int target);
  float* at(int64_t offset) const {
    return offset < 0 ? nullptr : memory_.get() + offset;
  }

  std::vector<int> alias_;  // the value whose memory a value shares
  std::vector<int64_t> values_, gradients_, scratch_;  // offsets, -1: none
  int64_t floats_ = 0;
  std::unique_ptr<float[]> memory_;
};

}  // namespace birbs::portable
