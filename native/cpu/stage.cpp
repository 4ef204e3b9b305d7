#include "stage.h"

#include <algorithm>

#include "batch_norm.h"
#include "convolution.h"
#include "dense.h"
#include "elementwise.h"
#include "max_pool_2x2.h"
#include "philox.h"
#include "pooling.h"

namespace birbs::cpu {
namespace {

// A gradient that is worked on in place goes where it is wanted.
void move_gradient(const Bindings& bindings, int64_t size) {
  if (bindings.dx == bindings.dy) return;
  std::copy_n(bindings.dy, size, bindings.dx);
}

class ActivationStage : public Stage {
 public:
  ActivationStage(const Node& node, const Bindings& bindings)
      : activation_(node.activation),
        size_(bindings.count * node.out.size()),
        bindings_(bindings) {}
  void forward(const Phase&) override {
    activate(activation_, size_, bindings_.x, bindings_.y);
  }
  void backward() override {
    activation_gradient(activation_, size_, bindings_.y, bindings_.dy);
    move_gradient(bindings_, size_);
  }

 private:
  Activation activation_;
  int64_t size_;
  Bindings bindings_;
};

class AddStage : public Stage {
 public:
  AddStage(const Node& node, const Bindings& bindings)
      : activation_(node.activation),
        size_(bindings.count * node.out.size()),
        bindings_(bindings) {}
  void forward(const Phase&) override {
    add(activation_, size_, bindings_.x, bindings_.x2, bindings_.y);
  }
  void backward() override {
    activation_gradient(activation_, size_, bindings_.y, bindings_.dy);
    pass(bindings_.dx, bindings_.add_dx);
    pass(bindings_.dx2, bindings_.add_dx2);
  }

 private:
  void pass(float* dx, bool sum) const {
    if (dx == nullptr) return;
    if (sum) {
      add_to(size_, bindings_.dy, dx);
    } else if (dx != bindings_.dy) {
      std::copy_n(bindings_.dy, size_, dx);
    }
  }

  Activation activation_;
  int64_t size_;
  Bindings bindings_;
};

class DropoutStage : public Stage {
 public:
  DropoutStage(const Node& node, const Bindings& bindings, NodeMemory& kept,
               const Shared& shared)
      : node_(node),
        bindings_(bindings),
        size_(bindings.count * node.out.size()),
        rate_(shared.layer(node).rate),
        seed_(shared.options.seed),
        kept_(static_cast<uint8_t*>(kept.workspace.reserve(size_))) {}

  void forward(const Phase& phase) override {
    if (!phase.training) {
      std::copy_n(bindings_.x, size_, bindings_.y);
      return;
    }
    const auto stream = dropout_stream + static_cast<uint32_t>(node_.layer);
    const int64_t before = phase.first * node_.out.shape.size();
    draw_kept({rate_, seed_, stream, phase.step, before}, node_.out,
              bindings_.count, kept_);
    apply_kept(size_, rate_, kept_, bindings_.x, bindings_.y);
  }
  void backward() override {
    apply_kept(size_, rate_, kept_, bindings_.dy, bindings_.dx);
  }

 private:
  const Node& node_;
  Bindings bindings_;
  int64_t size_;
  float rate_;
  uint64_t seed_;
  uint8_t* kept_;
};

class MaxPool2x2Stage : public Stage {
 public:
  MaxPool2x2Stage(const Node& node, const Bindings& bindings, NodeMemory& kept)
      : node_(node),
        bindings_(bindings),
        taken_(static_cast<uint8_t*>(
            kept.workspace.reserve(bindings.count * node.out.size()))) {}

  void forward(const Phase&) override {
    max_pool_2x2(node_.in, bindings_.count,
                 node_.activation == Activation::relu, bindings_.x, bindings_.y,
                 taken_);
  }
  void backward() override {
    max_pool_2x2_gradient(node_.in, bindings_.count, bindings_.dy, taken_,
                          bindings_.dx);
  }

 private:
  const Node& node_;
  Bindings bindings_;
  uint8_t* taken_;
};

// From one layout to another, and back.
class ReorderStage : public Stage {
 public:
  ReorderStage(const Node& node, const Bindings& bindings, Shared& shared)
      : shared_(shared) {
    const auto in = node.in.desc(bindings.count);
    const auto out = node.out.desc(bindings.count);
    forward_ = call(attach(in, bindings.x), attach(out, bindings.y));
    if (bindings.dx)
      backward_ = call(attach(out, bindings.dy), attach(in, bindings.dx));
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

std::unique_ptr<Stage> make_stage(const Node& node, const Bindings& bindings,
                                  NodeMemory& kept, Shared& shared) {
  switch (node.kernel) {
    case Kernel::convolution:
      return std::make_unique<ConvolutionStage>(node, bindings, kept, shared);
    case Kernel::batch_norm:
      return std::make_unique<BatchNormStage>(node, bindings, kept, shared);
    case Kernel::activation:
      return std::make_unique<ActivationStage>(node, bindings);
    case Kernel::pooling:
      return make_pooling(node, bindings, kept, shared);
    case Kernel::max_pool_2x2:
      return std::make_unique<MaxPool2x2Stage>(node, bindings, kept);
    case Kernel::dense:
      return std::make_unique<DenseStage>(node, bindings, shared);
    case Kernel::dropout:
      return std::make_unique<DropoutStage>(node, bindings, kept, shared);
    case Kernel::add:
      return std::make_unique<AddStage>(node, bindings);
    case Kernel::reorder:
      return std::make_unique<ReorderStage>(node, bindings, shared);
  }
  return nullptr;
}

}  // namespace birbs::cpu
