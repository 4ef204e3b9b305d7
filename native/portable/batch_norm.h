#pragma once

#include "network.h"
#include "threads.h"

namespace birbs::portable {

// Images are count x C x H x W, the rest one number a channel.
struct BatchNorm {
  int count;
  Shape shape;
  float epsilon;
  // The statistics are given, and not those of this batch.
  bool fixed = false;
};

// Mean and biased variance of each channel of the batch.
void batch_statistics(Threads& threads, const BatchNorm& norm, const float* x,
                      float* mean, float* variance);

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias.
void batch_norm(Threads& threads, const BatchNorm& norm, const float* x,
                const float* mean, const float* variance, const float* weight,
                const float* bias, float* y);

// Through the batch's own statistics, unless these are fixed. dx may be null,
// and dweight with dbias.
void batch_norm_gradient(Threads& threads, const BatchNorm& norm,
                         const float* dy, const float* x, const float* mean,
                         const float* variance, const float* weight, float* dx,
                         float* dweight, float* dbias);

// Moves running statistics by `momentum` towards the batch's; the running
// variance is the unbiased one.
void update_running(const BatchNorm& norm, float momentum, const float* mean,
                    const float* variance, float* running_mean,
                    float* running_variance);

}  // namespace birbs::portable
