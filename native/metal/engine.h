#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"

// The wall around Apple's half: no Objective-C type here, and nothing throws,
// because a C++ exception must not cross an Objective-C++ function everywhere.
// A returned string is empty, or one sentence about what went wrong.
namespace birbs::metal {

class Engine {
 public:
  virtual ~Engine() = default;

  // `done` is called once, from a thread of Metal's, in the order of the calls;
  // not at all if a sentence is returned. The batch is read before returning.
  // A few steps may be in flight; a further one waits for the oldest.
  virtual std::string train(const Batch& batch, float learning_rate,
                            std::function<void(StepResult)> done) noexcept = 0;
  // The others wait for the steps in flight, and for their own end.
  virtual std::string predict(const uint8_t* images, int count,
                              float* logits) noexcept = 0;
  // A value of the Plan, count x its shape in C, H, W order.
  virtual std::string activations(const uint8_t* images, int count, int value,
                                  float* output) noexcept = 0;
  virtual std::string gradients(const Batch& batch, float* gradients,
                                float* logits, StepResult* result) noexcept = 0;
  // PyTorch layout, Plan order. What is null is not asked for, and kept.
  virtual std::string get(std::vector<float>* parameters,
                          OptimizerState* state) noexcept = 0;
  virtual std::string set(const float* parameters,
                          const OptimizerState* state) noexcept = 0;
  // Sets all that the device keeps. After a fault of the device, which leaves
  // its weights unknown, the only call that is not refused.
  virtual std::string restore(const float* parameters,
                              const OptimizerState& state) noexcept = 0;
  // Whether the last sentence was of a fault that may not come again: restore
  // may mend it.
  virtual bool is_transient() const noexcept = 0;
  virtual int64_t memory_bytes() const noexcept = 0;
};

// Everything must have been checked: plan_network, check_session_options,
// check_limits. `parameters` in Plan order, PyTorch layout.
std::unique_ptr<Engine> make_engine(const SessionOptions& options,
                                    const Plan& plan, const float* parameters,
                                    std::string* error) noexcept;

// One operation of the public API; shapes were checked by operation_shapes.
std::string run_on_device(const Operation& operation,
                          const std::vector<TensorView>& inputs,
                          std::vector<Tensor>* outputs) noexcept;

}  // namespace birbs::metal
