#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collective.h"
#include "network.h"
#include "operations.h"

namespace birbs {

enum class OptimizerKind { sgd, adam, adamw };

// As torch.optim.SGD, Adam and AdamW: same formulas, same order of operations.
// Doubles: 1 - 0.999f is off by 1e-5.
struct Optimizer {
  OptimizerKind kind = OptimizerKind::adamw;
  double momentum = 0;  // sgd
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // adam, adamw
  double weight_decay = 0;
  // false: only weights of convolutions and dense layers decay.
  bool decay_norms_and_biases = true;
};

struct SessionOptions {
  Network network;
  uint64_t seed = 0;
  int batch_size = 0;  // the largest batch of any call
  int threads = 1;
  Optimizer optimizer;
  std::vector<float> class_weights;  // empty: all 1
  float label_smoothing = 0;
  float clip_norm = 0;  // global gradient norm; 0: no clipping
  // Compute in float16 with float32 weights and a loss scale that adapts
  // itself.
  bool half_precision = false;
  // metal: convolutions of one channel a group by MPSGraph's depthwise
  // operations instead of its groups.
  bool depthwise_operations = false;
  // The ranks that train this network together, each a share of every batch;
  // null: this process alone. All get the same seed and weights.
  std::shared_ptr<Collective> collective;
  // Whether batch norm takes its statistics over all ranks, or each rank over
  // its own share.
  bool sync_batch_norm = true;
};

// Where the images of one rank stand in the batch of all ranks.
struct Share {
  int first = 0;                    // place of its first image
  const int32_t* labels = nullptr;  // of the whole batch
  int count = 0;                    // of the whole batch; 0: there is no share
  // The batch has fewer images than there are ranks: this rank runs along with
  // an image of another's, which counts for nothing.
  bool idle = false;
  std::vector<double> notes;  // added up over the ranks, see StepResult
};

// Memory stays the caller's and must live until the call's `done`.
struct Batch {
  const uint8_t* images = nullptr;  // count x H x W x 3
  const int32_t* labels = nullptr;  // count, each 0 .. classes-1
  int count = 0;                    // 1 .. batch_size
  Share share;

  int whole_count() const { return share.count > 0 ? share.count : count; }
};

struct StepResult {
  std::string error;           // empty: the step ran
  const char* code = nullptr;  // of the error, see failure.h; or null
  double loss = 0;  // as torch.nn.functional.cross_entropy, reduction mean
  int correct = 0;  // before the update
  // Of each image, -log of the probability of its label in the same forward
  // pass, in nats; without class weights and label smoothing.
  std::vector<float> image_losses;
  double gradient_norm = 0;  // global, before clipping
  double device_seconds = 0;
  // Of a GPU: what the host took to hand the step over, the command buffers it
  // became, and whether some of them could not be watched for faults.
  double host_seconds = 0;
  int command_buffers = 0;
  bool unwatched = false;
  // Of several ranks, all of the above but the seconds are of the whole batch.
  std::vector<double> notes;    // the sums of Share::notes
  double exchange_seconds = 0;  // of device_seconds: waited for other ranks
};

// How far training has come. What only float16 changes (all but the step), a
// session of float32 keeps as it got it.
struct Progress {
  uint64_t step = 0;         // steps taken; counts dropout
  uint64_t skipped = 0;      // of these, skipped for an overflow
  float loss_scale = 0;      // 0: none yet
  uint64_t clean_steps = 0;  // since the scale changed or a step was skipped

  // What Adam's bias correction counts: as with torch.amp.GradScaler, a
  // skipped step has never been.
  uint64_t updates() const { return step - skipped; }
};

struct OptimizerState {
  Progress progress;
  // sgd with momentum: the momentum buffers; adam, adamw: first then second
  // moments; each of Plan::parameter_count floats in Plan order and PyTorch
  // layout (0 for running statistics). sgd without momentum: empty.
  std::vector<float> values;
};

// A network on a device. All calls come from one thread, one after the other;
// only train_step may return before the step has ended.
class Session {
 public:
  virtual ~Session() = default;

  // Forward, softmax cross-entropy, backward, clipping, update. `done` is
  // called exactly once, from any thread, in the order of the calls; a batch
  // that is refused ends there too. The other calls throw Error.
  virtual void train_step(const Batch& batch, float learning_rate,
                          std::function<void(StepResult)> done) = 0;

  // Logits, count x classes, without dropout and with running statistics.
  virtual void predict(const uint8_t* images, int count, float* logits) = 0;

  // The same up to a value of the Plan (not the images): count x its shape, in
  // C, H, W order.
  virtual void activations(const uint8_t* images, int count, int value,
                           float* output) = 0;

  // The gradients train_step would use before clipping, in Plan order (0 for
  // running statistics), and the training-mode logits of this process's images;
  // changes nothing.
  virtual StepResult gradients(const Batch& batch, float* gradients,
                               float* logits) = 0;

  // Flat, Plan order, PyTorch layout.
  virtual void get_parameters(float* values) = 0;
  virtual void set_parameters(const float* values) = 0;
  virtual OptimizerState get_optimizer_state() = 0;
  virtual void set_optimizer_state(const OptimizerState& state) = 0;

  // Both of the above at once. After a fault of the device, which leaves its
  // weights unknown, the only call that a session does not refuse.
  virtual void restore(const float* values, const OptimizerState& state) {
    set_parameters(values);
    set_optimizer_state(state);
  }

  // Bytes of native memory held, for V8's accounting.
  virtual int64_t memory_bytes() const = 0;
};

// What a GPU says of itself.
struct GpuFacts {
  std::string name;    // "Apple M2 Pro"
  std::string family;  // "Apple 8", the newest it answers to
  std::string system;  // "macOS 15.1"
  bool unified_memory = false;
  bool virtual_device = false;     // hosted runners: results may be wrong there
  uint64_t working_set_bytes = 0;  // recommended largest, 0 if it does not say
};

// The answer to one question about the device's own library.
struct ProbeAnswer {
  std::string text;          // one sentence
  bool as_relied_on = true;  // whether the backend's graphs rely on it
  std::string error;         // empty: the question could be asked
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;         // "cpu", "portable", "metal"
  virtual std::string description() const = 0;  // "oneDNN 3.5.3, avx512"
  virtual std::string unavailable() const = 0;  // empty, or the reason
  // Empty, or why SessionOptions::half_precision is not to be had.
  virtual std::string no_half_precision() const {
    return "the device " + name() +
           " computes in float32 only; use precision fp32, or the device metal";
  }
  // Empty, or why SessionOptions::collective is not to be had.
  virtual std::string no_ranks() const { return ""; }
  // Both throw Error.
  virtual std::unique_ptr<Session> create_session(
      const SessionOptions& options) = 0;
  virtual std::vector<Tensor> run(const Operation& operation,
                                  const std::vector<TensorView>& inputs) = 0;
  // Of a device that is a GPU and available.
  virtual std::optional<GpuFacts> gpu() const { return std::nullopt; }
  // Questions to ask where documentation is silent. A bad answer may end the
  // process.
  virtual std::vector<std::string> probe_names() const { return {}; }
  virtual ProbeAnswer probe(const std::string& question) {
    return {"", false, "there is no probe " + question + " of " + name()};
  }
};

// Refuses options no backend could run; every backend calls it first, and
// plan_network next.
void check_session_options(const SessionOptions& options);

// Refuse a call's arguments before anything has changed.
void check_batch(const SessionOptions& options, const Batch& batch);
void check_images(const SessionOptions& options, const uint8_t* images,
                  int count);
void check_learning_rate(float learning_rate);
void check_optimizer_state(const SessionOptions& options, const Plan& plan,
                           const OptimizerState& state);

// "cpu", "portable" or "metal"; throws Error for another name. The backend
// may be unavailable. Owned by the process.
Backend& get_backend(const std::string& name);
std::vector<Backend*> all_backends();

// Each is defined by exactly one folder of this build.
Backend& cpu_backend();  // cpu/ with oneDNN, else portable/ under its own name
Backend& portable_backend();
Backend& metal_backend();  // metal/, else no_metal/

}  // namespace birbs
