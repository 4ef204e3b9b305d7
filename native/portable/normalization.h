#pragma once

#include "network.h"
#include "threads.h"

namespace birbs::portable {

// uint8 N, H, W, 3 to float N, 3, H, W: (pixel / 255 - mean[c]) / std[c].
void normalize(Threads& threads, const Network& network, int count,
               const uint8_t* images, float* x);

}  // namespace birbs::portable
