#include "batch_norm.h"

#include <algorithm>
#include <cmath>

namespace birbs::portable {
namespace {

int64_t plane_size(const BatchNorm& norm) {
  return int64_t{norm.shape.height} * norm.shape.width;
}

// Calls task(offset) for the plane of channel c in each image.
template <typename Task>
void each_plane(const BatchNorm& norm, int64_t c, Task task) {
  for (int n = 0; n < norm.count; ++n) {
    task(n * norm.shape.size() + c * plane_size(norm));
  }
}

double inverse_deviation(const BatchNorm& norm, float variance) {
  return 1 / std::sqrt(double{variance} + norm.epsilon);
}

}  // namespace

std::vector<double> batch_sums(Threads& threads, const BatchNorm& norm,
                               const float* x) {
  const int64_t plane = plane_size(norm);
  const int channels = norm.shape.channels;
  std::vector<double> sums(2 * static_cast<size_t>(channels));
  threads.run(channels, [&](int64_t c) {
    double sum = 0, squares = 0;
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = offset; i < offset + plane; ++i) {
        sum += x[i];
        squares += double{x[i]} * x[i];
      }
    });
    sums[c] = sum;
    sums[channels + c] = squares;
  });
  return sums;
}

void statistics_of(const std::vector<double>& sums, double total, float* mean,
                   float* variance) {
  const size_t channels = sums.size() / 2;
  for (size_t c = 0; c < channels; ++c) {
    const double center = sums[c] / total;
    mean[c] = static_cast<float>(center);
    // By rounding alone it may fall below 0.
    variance[c] = static_cast<float>(
        std::max(0.0, sums[channels + c] / total - center * center));
  }
}

void batch_statistics(Threads& threads, const BatchNorm& norm, const float* x,
                      float* mean, float* variance) {
  const int64_t plane = plane_size(norm);
  const double total = static_cast<double>(norm.count * plane);
  threads.run(norm.shape.channels, [&](int64_t c) {
    double sum = 0;
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = 0; i < plane; ++i) sum += x[offset + i];
    });
    const double center = sum / total;
    double squares = 0;
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = 0; i < plane; ++i) {
        double distance = x[offset + i] - center;
        squares += distance * distance;
      }
    });
    mean[c] = static_cast<float>(center);
    variance[c] = static_cast<float>(squares / total);
  });
}

void batch_norm(Threads& threads, const BatchNorm& norm, const float* x,
                const float* mean, const float* variance, const float* weight,
                const float* bias, float* y) {
  const int64_t plane = plane_size(norm);
  threads.run(norm.shape.channels, [&](int64_t c) {
    const float scale =
        static_cast<float>(weight[c] * inverse_deviation(norm, variance[c]));
    const float center = mean[c], shift = bias[c];
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = offset; i < offset + plane; ++i) {
        y[i] = (x[i] - center) * scale + shift;
      }
    });
  });
}

std::vector<double> gradient_sums(Threads& threads, const BatchNorm& norm,
                                  const float* dy, const float* x,
                                  const float* mean) {
  const int64_t plane = plane_size(norm);
  const int channels = norm.shape.channels;
  std::vector<double> sums(2 * static_cast<size_t>(channels));
  threads.run(channels, [&](int64_t c) {
    const float center = mean[c];
    double sum = 0, product = 0;
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = offset; i < offset + plane; ++i) {
        sum += dy[i];
        product += double{dy[i]} * (x[i] - center);
      }
    });
    sums[c] = sum;
    sums[channels + c] = product;
  });
  return sums;
}

void batch_norm_gradient(Threads& threads, const BatchNorm& norm,
                         const float* dy, const float* x, const float* mean,
                         const float* variance, const float* weight, float* dx,
                         float* dweight, float* dbias, const WholeSums* whole) {
  const int64_t plane = plane_size(norm);
  const double total =
      whole ? whole->total : static_cast<double>(norm.count * plane);
  threads.run(norm.shape.channels, [&](int64_t c) {
    const double inverse = inverse_deviation(norm, variance[c]);
    const float center = mean[c];
    double sum = 0, product = 0;
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = offset; i < offset + plane; ++i) {
        sum += dy[i];
        product += double{dy[i]} * (x[i] - center);
      }
    });
    if (dweight) {
      dweight[c] = static_cast<float>(product * inverse);
      dbias[c] = static_cast<float>(sum);
    }
    if (!dx) return;
    if (norm.fixed) sum = product = 0;
    if (whole) {
      sum = whole->sums[c];
      product = whole->sums[norm.shape.channels + c];
    }
    const float scale = static_cast<float>(weight[c] * inverse);
    const float average = static_cast<float>(sum / total);
    const float slope = static_cast<float>(product * inverse * inverse / total);
    each_plane(norm, c, [&](int64_t offset) {
      for (int64_t i = offset; i < offset + plane; ++i) {
        dx[i] = scale * (dy[i] - average - (x[i] - center) * slope);
      }
    });
  });
}

void update_running(const BatchNorm& norm, float momentum, const float* mean,
                    const float* variance, float* running_mean,
                    float* running_variance) {
  const double total = static_cast<double>(norm.count * plane_size(norm));
  // A single value has no unbiased variance; keep the biased one, 0.
  const float unbiased =
      total > 1 ? static_cast<float>(total / (total - 1)) : 1.0f;
  for (int c = 0; c < norm.shape.channels; ++c) {
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_variance[c] +=
        momentum * (variance[c] * unbiased - running_variance[c]);
  }
}

}  // namespace birbs::portable
