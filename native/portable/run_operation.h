#pragma once

#include <vector>

#include "operations.h"

namespace birbs::portable {

// One operation on the calling thread. Throws Error for wrong inputs.
std::vector<Tensor> run_operation(const Operation& operation,
                                  const std::vector<TensorView>& inputs);

}  // namespace birbs::portable
