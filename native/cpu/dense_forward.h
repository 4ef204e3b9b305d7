#pragma once

#include "dense_gradient.h"

namespace birbs::cpu {

// y [count, outputs] = x [count, inputs] times the weights, plus the bias (may
// be null). Each row is summed input by input by the same instructions, whoever
// its neighbours are: an image's answer does not depend on its batch. oneDNN's
// matrices are computed in tiles of rows, of which the last rounds otherwise.
void dense_forward(const Panels& panels, int64_t count, const float* x,
                   const float* weights, const float* bias, float* y);

}  // namespace birbs::cpu
