#pragma once

#include <vector>

#include "operations.h"

namespace birbs::cpu {

// One operation through oneDNN on the calling thread's team, on tensors as
// PyTorch lays them out; what oneDNN lacks runs in the portable loops. Throws
// Error for wrong inputs.
std::vector<Tensor> run_operation(const Operation& operation,
                                  const std::vector<TensorView>& inputs);

}  // namespace birbs::cpu
