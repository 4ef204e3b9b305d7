#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace birbs::portable {

// Workers that share a loop. One caller at a time.
class Threads {
 public:
  explicit Threads(int count);  // the caller's thread is one of them
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // Runs task(0) .. task(count - 1), in any order and on any thread, and
  // returns when all have ended. Rethrows the first exception.
  void run(int64_t count, const std::function<void(int64_t)>& task);

 private:
  void stop();
  void wait_for_work();
  void take_tasks();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable started_, finished_;
  const std::function<void(int64_t)>* task_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_ = 0;
  uint64_t round_ = 0;
  size_t busy_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace birbs::portable
