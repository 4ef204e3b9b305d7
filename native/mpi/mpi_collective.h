#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "collective.h"
#include "mpi_library.h"

namespace birbs::mpi {

// All calls of MPI come from one thread of its own, which also carries on what
// is under way. Every half second each rank sends a sign of life.
class MpiCollective : public Collective {
 public:
  MpiCollective(std::unique_ptr<Library> library, const LaunchedAs& launched);
  ~MpiCollective() override;

  // Waits for the others; false where some have not come, who may never. The
  // problem is empty where all is well.
  bool join(std::string* problem);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string library() const override { return library_->version; }
  std::shared_ptr<Sum> start_sum(Channel channel, float* values,
                                 int64_t count) override;
  std::shared_ptr<Sum> start_sum(Channel channel, double* values,
                                 int64_t count) override;
  void broadcast(Channel channel, void* bytes, int64_t count,
                 int root) override;
  void gather(Channel channel, const void* bytes, int64_t count,
              void* all) override;
  void fail(const std::string& reason) override;
  bool failed() const override;
  void leave() override;
  void interrupt() override;

 private:
  using Clock = std::chrono::steady_clock;
  using Start = std::function<void(Handle communicator, Handle* request)>;

  // Something that all ranks do together.
  struct Task {
    Channel channel{};
    Start start;
    std::vector<char> bytes;  // what it works on, unless that is the caller's
    Handle request{};
    bool done = false;
  };
  class PendingSum;

  // What one rank tells another, and what it was last heard of.
  struct Peer {
    Clock::time_point heard;
    bool saved = false;  // rank 0: what there was to save
    bool parted = false;
  };

  void enqueue(const std::shared_ptr<Task>& task);
  void wait(const std::vector<std::shared_ptr<Task>>& tasks);

  void run(LaunchedAs launched);
  void join_world(const LaunchedAs& launched);
  void loop();
  void start_tasks(std::unique_lock<std::mutex>& lock);
  bool test_tasks(std::unique_lock<std::mutex>& lock);
  void exchange_signs();
  void tell_all(char kind, const std::string& text);
  void hear(int from);
  void set_failure(const std::string& reason);
  void part();

  std::unique_ptr<Library> library_;
  int rank_ = 0, size_ = 1;
  Handle channels_[2] = {};
  std::vector<Peer> peers_;
  Clock::time_point told_, looked_;  // by the thread

  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> queued_;
  std::vector<std::shared_ptr<Task>> active_;
  std::string failure_;  // of any rank: one sentence
  std::string own_;      // why this rank can't go on; to be told
  bool told_own_ = false;
  int waiting_ = 0;  // calls
  bool joined_ = false, leaving_ = false, left_ = false, interrupted_ = false;
  std::thread thread_;
};

}  // namespace birbs::mpi
