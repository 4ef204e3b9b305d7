#pragma once

#include "network.h"
#include "operations.h"

// What would end the process inside MPSGraph, refused before a graph or a
// buffer is touched. Plain C++; throws Error.
namespace birbs::metal {

void check_limits(const Plan& plan, int batch_size);
void check_limits(const Operation& operation,
                  const std::vector<TensorView>& inputs,
                  const std::vector<std::vector<int64_t>>& outputs);

// Bytes the activations of one image and the weights with optimizer state take,
// to say which batch would fit when memory runs out.
int64_t bytes_per_image(const Network& network, const Plan& plan);

}  // namespace birbs::metal
