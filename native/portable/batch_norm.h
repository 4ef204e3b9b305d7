#pragma once

#include <vector>

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

// Of each channel the sum, then of each the sum of the squares: of part of a
// batch, to be added up.
std::vector<double> batch_sums(Threads& threads, const BatchNorm& norm,
                               const float* x);

// Mean and biased variance from the sums over `total` values a channel.
void statistics_of(const std::vector<double>& sums, double total, float* mean,
                   float* variance);

// Mean and biased variance of each channel of the batch.
void batch_statistics(Threads& threads, const BatchNorm& norm, const float* x,
                      float* mean, float* variance);

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias.
void batch_norm(Threads& threads, const BatchNorm& norm, const float* x,
                const float* mean, const float* variance, const float* weight,
                const float* bias, float* y);

// Of each channel the sum of the gradients, then of each that of their products
// with the distances from the mean.
std::vector<double> gradient_sums(Threads& threads, const BatchNorm& norm,
                                  const float* dy, const float* x,
                                  const float* mean);

// The gradient_sums of a whole batch, where this is part of one.
struct WholeSums {
  std::vector<double> sums;
  double total;  // values of a channel
};

// Through the batch's own statistics, unless these are fixed. dx may be null,
// and dweight with dbias, which are those of this part alone.
void batch_norm_gradient(Threads& threads, const BatchNorm& norm,
                         const float* dy, const float* x, const float* mean,
                         const float* variance, const float* weight, float* dx,
                         float* dweight, float* dbias,
                         const WholeSums* whole = nullptr);

// Moves running statistics by `momentum` towards the batch's; the running
// variance is the unbiased one.
void update_running(const BatchNorm& norm, float momentum, const float* mean,
                    const float* variance, float* running_mean,
                    float* running_variance);

}  // namespace birbs::portable
