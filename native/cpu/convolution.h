#pragma once

#include <optional>
#include <vector>

#include "stage.h"

namespace birbs::cpu {

// The primitives of a convolution.
struct ConvolutionDescs {
  dnnl::convolution_forward::primitive_desc forward;
  std::optional<dnnl::convolution_backward_data::primitive_desc> backward;
  std::optional<dnnl::convolution_backward_weights::primitive_desc> weights;

  // 0 if all of them are made for this shape and layout.
  int slowness() const;
};

// With weights in whatever layout suits each primitive. `source` and `target`
// may be `any`.
ConvolutionDescs describe_convolution(const Layer& layer, const Node& node,
                                      const memory::desc& source,
                                      const memory::desc& target);

// Settles node.in, node.middle and node.weights: `in` if it serves, else what
// oneDNN prefers. Without `in` the node reads the images themselves.
void choose_convolution(const Layer& layer, Node& node, const Layout* in,
                        int batch_size);

// Convolution, ReLU and max pooling 2 x 2, as far as the node has them.
class ConvolutionStage : public Stage {
 public:
  ConvolutionStage(const Node& node, const Bindings& bindings, NodeMemory& kept,
                   Shared& shared);
  void forward(const Phase& phase) override;
  void backward() override;

 private:
  // Some images, all of them where nothing is pooled.
  struct Part {
    int first, count;
    Call forward, backward, weights;
  };
  void add_part(const ConvolutionDescs& descs, int first, int count);
  Call weights_call(const ConvolutionDescs& descs, const memory& source,
                    const memory& dy, bool first);
  memory weights_for(const memory::desc& wanted, void* buffer, Call& reorder);
  float* output(int first) const;
  uint8_t* taken(int first) const;

  const Node& node_;
  const Layer& layer_;
  Bindings bindings_;
  Shared& shared_;
  float *weight_, *bias_;
  uint8_t* taken_ = nullptr;
  float* middle_ = nullptr;
  std::vector<Part> parts_;
  Call forward_weights_, backward_weights_, gradient_;  // reorders, if needed
  // Of the weights and the bias: the sum over the parts, and a later part.
  float *weight_sum_ = nullptr, *weight_part_ = nullptr;
  float *bias_sum_ = nullptr, *bias_part_ = nullptr;
  int64_t weight_size_ = 0;
};

}  // namespace birbs::cpu
