#pragma once

#include <vector>

#include "backend.h"
#include "loss.h"

namespace birbs {

// What the training steps of a session add up over the ranks: gradients as they
// become ready, while backward goes on; the result; sums of batch norm. Of a
// session without other ranks it does nothing.
class RankSums {
 public:
  explicit RankSums(const SessionOptions& options) : options_(options) {}

  bool on() const { return options_.collective != nullptr; }
  // Whether batch norm is to be synchronised.
  bool syncs() const { return on() && options_.sync_batch_norm; }

  // A step begins, or `gradients`.
  void begin(const Batch& batch);
  // The loss of this rank's images, as its share of that of the whole batch.
  Loss loss(const Batch& batch, const float* logits, float* gradient);
  // Of each channel, before a layer goes on; waits.
  void sum(std::vector<double>& values);
  // Statistics of batch norm that is not synchronised, by the images of each
  // rank.
  void average(float* values, int64_t count, int images);
  // `gradients` hold all of this rank; they may be changed until finish().
  void ready(float* gradients, int64_t count);
  // Until all gradients are summed.
  void finish();
  // Loss, correct, losses of images and notes of the whole batch.
  void result(Loss loss, StepResult* result);

 private:
  struct Part {
    float* gradients;
    int64_t count;
  };
  // Small gradients go together, by copy.
  struct Bucket {
    std::vector<Part> parts;
    std::vector<float> floats;
    std::shared_ptr<Collective::Sum> sum;
  };
  void flush();
  void wait(Collective::Sum& sum);

  const SessionOptions& options_;
  const Share* share_ = nullptr;
  std::vector<Bucket> buckets_;  // kept from step to step
  size_t filled_ = 0;            // of these
  int64_t gathered_ = 0;         // floats of the bucket that is being filled
  std::vector<std::shared_ptr<Collective::Sum>> sums_;  // of large gradients
  std::vector<double> result_;
  std::shared_ptr<Collective::Sum> result_sum_;
  double waited_ = 0;  // seconds
};

}  // namespace birbs
