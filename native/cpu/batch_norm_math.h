#pragma once

#include "elementwise.h"

namespace birbs::cpu {

// Sums over a batch are taken in short pieces of float and these in double:
// batch norm divides all that follows by them, and takes them off all that
// goes back; one float sum each is ten times less accurate than the rest of a
// step. The numbers are the same with any number of threads.

// Mean and (biased) variance of each channel over `count` images.
void batch_statistics(const Layout& layout, int count, const float* x,
                      float* mean, float* variance);

// Of part of a batch, to be added up: of each channel the sum, then of each the
// sum of the squares; and the statistics from the sums over `total` values.
void batch_sums(const Layout& layout, int count, const float* x, double* sums);
void statistics_of(const double* sums, double total, int channels, float* mean,
                   float* variance);

struct BatchNorm {
  const float *x, *mean, *variance, *weight, *bias;
  float epsilon;
  Activation activation;  // behind it
  float* y;
};

// NaN passes the activation, as in PyTorch; oneDNN's would make it 0.
void batch_norm(const Layout& layout, int count, const BatchNorm& norm);

struct BatchNormGradient {
  const float *x, *mean, *variance, *weight;
  float epsilon;
  bool fixed;  // the statistics are given, and not those of this batch
  Activation activation;
  const float* y;          // of the activation
  float* dy;               // what the activation held back becomes 0
  float* dx;               // may be dy; null: not wanted
  float *dweight, *dbias;  // may be null
  // Where this is part of a batch: of each channel the sum of the gradients,
  // then of each that of their products with the distances from the mean.
  double* own_sums = nullptr;          // wanted instead of dx
  const double* whole_sums = nullptr;  // known: only dx is wanted
  double total = 0;                    // values of a channel, of the whole
};

void batch_norm_gradient(const Layout& layout, int count,
                         const BatchNormGradient& norm);

}  // namespace birbs::cpu
