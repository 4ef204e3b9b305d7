#include "stage.h"

#include "batch_norm.h"
#include "convolution.h"
#include "dense.h"
#include "elementwise.h"
#include "max_pool_2x2.h"
#include "philox.h"
#include "pooling.h"

namespace birbs::cpu {
namespace {

class ReluStage : public Stage {
 public:
  ReluStage(const Node& node, const Wiring& wiring)
      : size_(wiring.count * node.out.size()), wiring_(wiring) {}
  void forward(const Phase&) override { relu(size_, wiring_.x, wiring_.y); }
  void backward() override { relu_gradient(size_, wiring_.y, wiring_.dy); }

 private:
  int64_t size_;
  Wiring wiring_;
};

class DropoutStage : public Stage {
 public:
  DropoutStage(const Node& node, const Wiring& wiring, NodeMemory& kept,
               const SessionOptions& options)
      : node_(node),
        wiring_(wiring),
        size_(wiring.count * node.out.size()),
        rate_(options.network.layers[node.layer].rate),
        seed_(options.seed),
        kept_(static_cast<uint8_t*>(kept.workspace.reserve(size_))) {}

  void forward(const Phase& phase) override {
    if (!phase.training) {
      std::copy_n(wiring_.x, size_, wiring_.y);
      return;
    }
    const auto stream = dropout_stream + static_cast<uint32_t>(node_.layer);
    draw_kept({rate_, seed_, stream, phase.step}, node_.out, wiring_.count,
              kept_);
    apply_kept(size_, rate_, kept_, wiring_.x, wiring_.y);
  }
  void backward() override {
    apply_kept(size_, rate_, kept_, wiring_.dy, wiring_.dy);
  }

 private:
  const Node& node_;
  Wiring wiring_;
  int64_t size_;
  float rate_;
  uint64_t seed_;
  uint8_t* kept_;
};

class MaxPool2x2Stage : public Stage {
 public:
  MaxPool2x2Stage(const Node& node, const Wiring& wiring, NodeMemory& kept)
      : node_(node),
        wiring_(wiring),
        taken_(static_cast<uint8_t*>(
            kept.workspace.reserve(wiring.count * node.out.size()))) {}

  void forward(const Phase&) override {
    max_pool_2x2(node_.in, wiring_.count, node_.relu, wiring_.x, wiring_.y,
                 taken_);
  }
  void backward() override {
    max_pool_2x2_gradient(node_.in, wiring_.count, wiring_.dy, taken_,
                          wiring_.dx);
  }

 private:
  const Node& node_;
  Wiring wiring_;
  uint8_t* taken_;
};

// From one layout to another, and back.
class ReorderStage : public Stage {
 public:
  ReorderStage(const Node& node, const Wiring& wiring, Shared& shared)
      : shared_(shared) {
    const auto in = node.in.desc(wiring.count);
    const auto out = node.out.desc(wiring.count);
    forward_ = call(attach(in, wiring.x), attach(out, wiring.y));
    if (wiring.dx)
      backward_ = call(attach(out, wiring.dy), attach(in, wiring.dx));
  }
  void forward(const Phase&) override { forward_.run(shared_.stream); }
  void backward() override {
    if (backward_) backward_.run(shared_.stream);
  }

 private:
  static Call call(const memory& from, const memory& to) {
    return {dnnl::reorder(from, to),
            {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
  }

  Shared& shared_;
  Call forward_, backward_;
};

}  // namespace

std::unique_ptr<Stage> make_stage(const Node& node, const Wiring& wiring,
                                  NodeMemory& kept, Shared& shared) {
  switch (node.work) {
    case Work::convolution:
      return std::make_unique<ConvolutionStage>(node, wiring, kept, shared);
    case Work::batch_norm:
      return std::make_unique<BatchNormStage>(node, wiring, kept, shared);
    case Work::relu:
      return std::make_unique<ReluStage>(node, wiring);
    case Work::pooling:
      return make_pooling(node, wiring, kept, shared);
    case Work::max_pool_2x2:
      return std::make_unique<MaxPool2x2Stage>(node, wiring, kept);
    case Work::dense:
      return std::make_unique<DenseStage>(node, wiring, shared);
    case Work::dropout:
      return std::make_unique<DropoutStage>(node, wiring, kept, shared.options);
    case Work::reorder:
      return std::make_unique<ReorderStage>(node, wiring, shared);
  }
  return nullptr;
}

}  // namespace birbs::cpu
