#include "threads.h"

#include <utility>

namespace birbs::portable {

Threads::Threads(int count) {
  try {
    for (int i = 1; i < count; ++i) {
      workers_.emplace_back([this] { wait_for_work(); });
    }
  } catch (...) {
    stop();  // the destructor won't run
    throw;
  }
}

Threads::~Threads() { stop(); }

void Threads::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  started_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Threads::run(int64_t count, const std::function<void(int64_t)>& task) {
  if (workers_.empty() || count < 2) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    count_ = count;
    next_ = 0;
    busy_ = workers_.size();
    ++round_;
  }
  started_.notify_all();
  take_tasks();
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Threads::wait_for_work() {
  uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    started_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    lock.unlock();
    take_tasks();
    lock.lock();
    if (--busy_ == 0) finished_.notify_one();
  }
}

void Threads::take_tasks() {
  try {
    for (int64_t i = next_++; i < count_; i = next_++) (*task_)(i);
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    next_ = count_;
  }
}

}  // namespace birbs::portable
