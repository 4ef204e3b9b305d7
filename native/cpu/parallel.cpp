#include "parallel.h"

#include <mutex>
#include <thread>
#include <vector>

namespace birbs::cpu {
namespace {

// Starts and ends threads in groups of this size.
void try_threads(int count) {
  std::mutex gate;
  std::vector<std::thread> tried;
  tried.reserve(static_cast<size_t>(count));
  std::unique_lock closed(gate);
  const auto open = [&] {
    closed.unlock();
    for (std::thread& thread : tried) thread.join();
  };
  try {
    for (int i = 0; i < count; ++i) {
      tried.emplace_back([&gate] { std::lock_guard wait(gate); });
    }
  } catch (...) {
    open();
    throw;
  }
  open();
}

}  // namespace

void prepare_threads() {
#ifdef _OPENMP
  static thread_local int most = 1;
  const int threads = omp_get_max_threads();
  if (threads <= most) return;
  try_threads(threads - 1);
  most = threads;
#endif
}

}  // namespace birbs::cpu
