#pragma once

#include <vector>

#include "dense.h"
#include "optimizer.h"
#include "parameters.h"

namespace birbs::cpu {

// Passes over all parameters and their gradients, on all threads; sums are
// added up in a fixed order.
class Update {
 public:
  explicit Update(const Parameters& parameters);

  // Calls visit(chunk) for every parameter once, in cache-sized chunks.
  double visit(const std::vector<DenseStage*>& dense,
               const std::function<double(const Chunk&)>& visit);

 private:
  const Parameters& parameters_;
  std::vector<Parameters::Range> chunks_;
  std::vector<double> sums_;  // of each chunk
};

double sum_of_squares(const float* values, int64_t count);

}  // namespace birbs::cpu
