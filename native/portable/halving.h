#pragma once

#include "layers.h"
#include "threads.h"

namespace birbs::portable {

// Whether max pooling is that of 2 x 2 windows side by side, without padding.
bool halves(const Window& window);

// Max pooling of `planes` planes of height x width by such windows; the rules
// are those of max_pool. An odd last row or column takes no part.
void halve(Threads& threads, int64_t planes, int64_t height, int64_t width,
           const float* x, float* y);

// Writes all of dx, zeros included.
void halve_gradient(Threads& threads, int64_t planes, int64_t height,
                    int64_t width, const float* dy, const float* x, float* dx);

}  // namespace birbs::portable
