#include "update.h"

#include <algorithm>
#include <numeric>

#include "parallel.h"
#include "simd.h"

namespace birbs::cpu {
namespace {

constexpr int64_t chunk_floats = 4096;

// Eight sums side by side, as many as an AVX-512 register holds.
BIRBS_INLINE void add_squares(const float* values, int64_t count,
                              double* sums) {
  for (int64_t i = 0; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) {
      const double value = values[i + k];
      sums[k] += value * value;
    }
  }
}

}  // namespace

double sum_of_squares(const float* values, int64_t count) {
  double sums[8] = {};
  vectorized<add_squares>(values, count, sums);
  double sum = std::accumulate(sums, sums + 8, 0.0);
  for (int64_t i = count / 8 * 8; i < count; ++i) {
    sum += double{values[i]} * values[i];
  }
  return sum;
}

Update::Update(const Parameters& parameters) : parameters_(parameters) {
  for (const Parameters::Range& range : parameters.ranges()) {
    for (int64_t done = 0; done < range.count; done += chunk_floats) {
      chunks_.push_back({range.offset + done,
                         std::min(chunk_floats, range.count - done),
                         range.group});
    }
  }
  sums_.resize(chunks_.size());
}

double Update::visit(const std::vector<DenseStage*>& dense,
                     const std::function<double(const Chunk&)>& visit) {
  parallel(static_cast<int64_t>(chunks_.size()), parameters_.stored(),
           [&](int64_t first, int64_t last) {
             for (int64_t i = first; i < last; ++i) {
               const Parameters::Range& chunk = chunks_[i];
               sums_[i] = visit(
                   parameters_.chunk(chunk.offset, chunk.count, chunk.group));
             }
           });
  double sum = std::accumulate(sums_.begin(), sums_.end(), 0.0);
  for (DenseStage* stage : dense) sum += stage->visit_weights(visit);
  return sum;
}

}  // namespace birbs::cpu
