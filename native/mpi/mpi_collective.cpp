#include "mpi_collective.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "network.h"

namespace birbs::mpi {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr auto sign_interval = milliseconds(500);
// Without a sign of life a rank counts as lost.
constexpr auto longest_silence = milliseconds(7000);
// So long the others wait for rank 0 to save what there is.
constexpr auto saving_time = milliseconds(5000);
// Until all processes have started and MPI has introduced them.
constexpr auto joining_time = std::chrono::seconds(60);
// A pause of this thread itself: the machine slept, or the process was stopped.
constexpr auto own_pause = milliseconds(2000);

// One byte that says what it is, and text, closed by a zero.
constexpr int message_bytes = 1024;
constexpr int message_tag = 7;
constexpr char sign_of_life = 'l', has_failed = 'f', has_saved = 's',
               parts = 'p';

// MPI counts in int.
constexpr int64_t most_at_once = int64_t{1} << 28;

constexpr int funneled = 1;  // MPI_THREAD_FUNNELED: one thread calls

}  // namespace

class MpiCollective::PendingSum : public Collective::Sum {
 public:
  using Tasks = std::vector<std::shared_ptr<Task>>;

  // `result`: where the bytes of the tasks go, unless they are there.
  PendingSum(MpiCollective& owner, Tasks tasks, void* result)
      : owner_(owner),
        tasks_(std::move(tasks)),
        result_(static_cast<char*>(result)) {}

  void wait() override {
    owner_.wait(tasks_);
    if (!result_) return;
    for (const auto& task : tasks_) {
      std::memcpy(result_, task->bytes.data(), task->bytes.size());
      result_ += task->bytes.size();
    }
    result_ = nullptr;
  }

 private:
  MpiCollective& owner_;
  Tasks tasks_;
  char* result_;
};

MpiCollective::MpiCollective(std::unique_ptr<Library> library,
                             const LaunchedAs& launched)
    : library_(std::move(library)) {
  thread_ = std::thread([this, launched] { run(launched); });
}

bool MpiCollective::join(std::string* problem) {
  std::unique_lock lock(mutex_);
  const bool answered = changed_.wait_for(
      lock, joining_time, [&] { return joined_ || !failure_.empty(); });
  *problem = joined_    ? ""
             : answered ? failure_
                        : "not all processes that mpirun started joined "
                          "within " +
                              std::to_string(joining_time.count()) +
                              " s; see whether one of them hangs.";
  return answered;
}

MpiCollective::~MpiCollective() {
  interrupt();
  if (thread_.joinable()) thread_.join();
}

void MpiCollective::enqueue(const std::shared_ptr<Task>& task) {
  std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Error(failure_);
  queued_.push_back(task);
  changed_.notify_all();
}

void MpiCollective::wait(const std::vector<std::shared_ptr<Task>>& tasks) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.notify_all();
  const auto done = [&] {
    return std::all_of(tasks.begin(), tasks.end(),
                       [](const auto& task) { return task->done; });
  };
  changed_.wait(lock, [&] { return done() || !failure_.empty(); });
  --waiting_;
  if (!done()) throw Error(failure_);
}

std::shared_ptr<Collective::Sum> MpiCollective::start_sum(Channel channel,
                                                          float* values,
                                                          int64_t count) {
  PendingSum::Tasks tasks;
  for (int64_t first = 0; first < count; first += most_at_once) {
    const int part = static_cast<int>(std::min(most_at_once, count - first));
    auto task = std::make_shared<Task>();
    task->channel = channel;
    task->start = [=, this](Handle communicator, Handle* request) {
      library_->iallreduce(library_->in_place, values + first, part,
                           library_->float_type, library_->sum, communicator,
                           request);
    };
    enqueue(task);
    tasks.push_back(std::move(task));
  }
  return std::make_shared<PendingSum>(*this, std::move(tasks), nullptr);
}

std::shared_ptr<Collective::Sum> MpiCollective::start_sum(Channel channel,
                                                          double* values,
                                                          int64_t count) {
  const int part = static_cast<int>(std::min(most_at_once, count));
  auto task = std::make_shared<Task>();
  task->channel = channel;
  const char* bytes = reinterpret_cast<const char*>(values);
  task->bytes.assign(bytes, bytes + part * sizeof(double));
  task->start = [this, part, own = task->bytes.data()](Handle communicator,
                                                       Handle* request) {
    library_->iallreduce(library_->in_place, own, part, library_->double_type,
                         library_->sum, communicator, request);
  };
  enqueue(task);
  return std::make_shared<PendingSum>(*this, PendingSum::Tasks{task}, values);
}

void MpiCollective::broadcast(Channel channel, void* bytes, int64_t count,
                              int root) {
  PendingSum::Tasks tasks;
  for (int64_t first = 0; first < count; first += most_at_once) {
    const int part = static_cast<int>(std::min(most_at_once, count - first));
    const char* from = static_cast<const char*>(bytes) + first;
    auto task = std::make_shared<Task>();
    task->channel = channel;
    task->bytes.assign(from, from + part);
    task->start = [this, part, root, own = task->bytes.data()](
                      Handle communicator, Handle* request) {
      library_->ibcast(own, part, library_->byte_type, root, communicator,
                       request);
    };
    enqueue(task);
    tasks.push_back(std::move(task));
  }
  PendingSum(*this, std::move(tasks), bytes).wait();
}

void MpiCollective::gather(Channel channel, const void* bytes, int64_t count,
                           void* all) {
  if (count * size_ > most_at_once) {
    throw Error("gather: expected at most 2^28 bytes of all ranks, found " +
                std::to_string(count * size_) + ".");
  }
  const int part = static_cast<int>(count);
  auto task = std::make_shared<Task>();
  task->channel = channel;
  task->bytes.resize(count * size_);
  char* own = task->bytes.data();
  std::memcpy(own + rank_ * count, bytes, count);
  task->start = [this, part, own](Handle communicator, Handle* request) {
    library_->iallgather(library_->in_place, part, library_->byte_type, own,
                         part, library_->byte_type, communicator, request);
  };
  enqueue(task);
  PendingSum(*this, {task}, all).wait();
}

void MpiCollective::fail(const std::string& reason) {
  std::unique_lock lock(mutex_);
  if (left_ || !own_.empty()) return;
  own_ = reason.empty() ? "unknown error" : reason;
  if (failure_.empty()) failure_ = own_;
  changed_.notify_all();
  changed_.wait_for(lock, milliseconds(1000), [&] { return told_own_; });
}

bool MpiCollective::failed() const {
  std::lock_guard lock(mutex_);
  return !failure_.empty();
}

void MpiCollective::leave() {
  {
    std::lock_guard lock(mutex_);
    if (left_) return;
  }
  // Whoever is in MPI_Finalize gives no sign of life: all go there together.
  double all = 0;
  try {
    if (!failed()) sum(Channel::control, &all, 1);
  } catch (const Error&) {
    // The failure is known where it matters.
  }
  {
    std::unique_lock lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return left_; });
  }
  if (thread_.joinable()) thread_.join();
}

void MpiCollective::interrupt() {
  std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (failure_.empty()) failure_ = "the process is ending.";
  changed_.notify_all();
}

// The thread.
void MpiCollective::run(LaunchedAs launched) {
  join_world(launched);
  std::unique_lock lock(mutex_);
  const bool joined = failure_.empty();
  joined_ = joined;
  changed_.notify_all();
  lock.unlock();
  if (joined) loop();
  part();
  lock.lock();
  left_ = told_own_ = true;
  changed_.notify_all();
}

void MpiCollective::join_world(const LaunchedAs& launched) {
  int granted = 0;
  library_->init_thread(nullptr, nullptr, funneled, &granted);
  library_->comm_rank(library_->world, &rank_);
  library_->comm_size(library_->world, &size_);
  if (size_ < launched.size || rank_ < launched.rank) {
    library_->finalize();
    return set_failure(
        "expected the " + std::to_string(launched.size) +
        " processes that mpirun started (" + launched.launcher +
        ") to find each other, but " + library_->version + " at " +
        library_->path + " sees only " + std::to_string(size_) +
        "; start them with the mpirun of that library, or name the launcher's "
        "library with BIRBS_MPI=/path/to/libmpi.so.");
  }
  for (Handle& channel : channels_) {
    library_->comm_dup(library_->world, &channel);
  }
  peers_.resize(size_);
  looked_ = Clock::now();
  for (Peer& peer : peers_) peer.heard = looked_;
}

void MpiCollective::loop() {
  std::unique_lock lock(mutex_);
  auto idle_since = Clock::now();
  while (!interrupted_) {
    if (leaving_ && failure_.empty() && queued_.empty() && active_.empty()) {
      return;
    }
    if (leaving_ && !failure_.empty()) return;
    start_tasks(lock);
    if (test_tasks(lock)) idle_since = Clock::now();
    lock.unlock();
    exchange_signs();
    lock.lock();
    if (!queued_.empty() || interrupted_) continue;
    if (active_.empty()) {
      changed_.wait_for(lock, sign_interval / 4, [&] {
        return !queued_.empty() || leaving_ || interrupted_ ||
               (!own_.empty() && !told_own_);
      });
      idle_since = Clock::now();
      continue;
    }
    // Who waits wants it soon; what is under way beside other work needs a look
    // now and then, and the cores.
    const bool urgent = waiting_ > 0;
    const auto idle = Clock::now() - idle_since;
    lock.unlock();
    if (urgent && idle < microseconds(200)) {
      std::this_thread::yield();
    } else if (urgent) {
      std::this_thread::sleep_for(microseconds(10));
    } else {
      std::this_thread::sleep_for(microseconds(50));
    }
    lock.lock();
  }
}

void MpiCollective::start_tasks(std::unique_lock<std::mutex>& lock) {
  while (!queued_.empty() && failure_.empty()) {
    const std::shared_ptr<Task> task = queued_.front();
    queued_.pop_front();
    lock.unlock();
    task->start(channels_[static_cast<int>(task->channel)], &task->request);
    lock.lock();
    active_.push_back(task);
  }
}

// Whether something has ended.
bool MpiCollective::test_tasks(std::unique_lock<std::mutex>& lock) {
  if (!failure_.empty()) return false;
  std::vector<std::shared_ptr<Task>> tasks = active_;
  lock.unlock();
  std::vector<std::shared_ptr<Task>> ended;
  for (const auto& task : tasks) {
    int done = 0;
    library_->test(&task->request, &done, library_->ignored_status);
    if (done) ended.push_back(task);
  }
  lock.lock();
  for (const auto& task : ended) {
    task->done = true;
    active_.erase(std::find(active_.begin(), active_.end(), task));
  }
  if (!ended.empty()) changed_.notify_all();
  return !ended.empty();
}

void MpiCollective::exchange_signs() {
  const auto now = Clock::now();
  std::string own;
  {
    std::lock_guard lock(mutex_);
    if (!told_own_) own = own_;
  }
  if (!own.empty()) {
    tell_all(has_failed, own);
    std::lock_guard lock(mutex_);
    told_own_ = true;
    changed_.notify_all();
  }
  if (now - looked_ < sign_interval / 5) return;
  if (now - looked_ > own_pause) {
    for (Peer& peer : peers_) peer.heard = now;
  }
  looked_ = now;
  if (now - told_ >= sign_interval) {
    told_ = now;
    tell_all(sign_of_life, "");
  }
  for (int from = 0; from < size_; ++from) {
    if (from == rank_) continue;
    hear(from);
    // All ranks listen to rank 0, which listens to all.
    const auto silence = now - peers_[from].heard;
    if (silence > longest_silence) {
      set_failure("rank " + std::to_string(from) + " has not answered for " +
                  std::to_string(longest_silence.count() / 1000) +
                  " s: its process hangs, or its machine is not reached.");
    }
  }
}

void MpiCollective::tell_all(char kind, const std::string& text) {
  char message[message_bytes] = {kind};
  const size_t length = std::min<size_t>(text.size(), message_bytes - 2);
  std::memcpy(message + 1, text.data(), length);
  for (int to = 0; to < size_; ++to) {
    if (to == rank_) continue;
    library_->send(message, static_cast<int>(length) + 2, library_->byte_type,
                   to, message_tag, library_->world);
  }
}

void MpiCollective::hear(int from) {
  int found = 0;
  library_->iprobe(from, message_tag, library_->world, &found,
                   library_->ignored_status);
  while (found) {
    char message[message_bytes] = {};
    library_->recv(message, message_bytes, library_->byte_type, from,
                   message_tag, library_->world, library_->ignored_status);
    peers_[from].heard = Clock::now();
    if (message[0] == has_failed) {
      set_failure("rank " + std::to_string(from) + " failed: " + (message + 1));
    } else if (message[0] == has_saved) {
      peers_[from].saved = true;
    } else if (message[0] == parts) {
      peers_[from].parted = true;
    }
    library_->iprobe(from, message_tag, library_->world, &found,
                     library_->ignored_status);
  }
}

void MpiCollective::set_failure(const std::string& reason) {
  std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = reason;
  changed_.notify_all();
}

// Where all is well, all ranks end MPI together. Otherwise requests are open
// that nobody will answer: the process ends without it, and mpirun ends the
// others if they don't.
void MpiCollective::part() {
  bool well;
  {
    std::lock_guard lock(mutex_);
    if (!joined_) return;
    well = failure_.empty();
  }
  if (well) {
    // MPICH 5 takes messages that nobody received for an error.
    tell_all(parts, "");
    const auto begin = Clock::now();
    for (int from = 0; from < size_; ++from) {
      while (from != rank_ && !peers_[from].parted &&
             Clock::now() - begin < longest_silence) {
        hear(from);
        std::this_thread::yield();
      }
    }
    library_->finalize();
    return;
  }
  if (interrupted_) return;
  if (rank_ == 0) return tell_all(has_saved, "");
  const auto start = Clock::now();
  while (!peers_[0].saved && Clock::now() - start < saving_time &&
         Clock::now() - peers_[0].heard < longest_silence) {
    hear(0);
    std::this_thread::sleep_for(milliseconds(10));
  }
}

}  // namespace birbs::mpi

namespace birbs {

MpiFound find_mpi() {
  MpiFound found;
  const auto library =
      mpi::load_library(launched_as().launcher, &found.problem);
  if (library) {
    found.library = library->version;
    found.path = library->path;
  }
  return found;
}

std::shared_ptr<Collective> open_collective() {
  static bool opened = false;
  if (opened) {
    throw Error(
        "expected one training of several processes in this process, but "
        "found a second.");
  }
  opened = true;
  const LaunchedAs launched = launched_as();
  std::string problem;
  auto library = mpi::load_library(launched.launcher, &problem);
  if (!library) {
    throw Error("expected MPI to join the " + std::to_string(launched.size) +
                " processes that mpirun started, but " + problem + ".");
  }
  auto joining =
      std::make_unique<mpi::MpiCollective>(std::move(library), launched);
  if (!joining->join(&problem)) {
    // Its thread waits in MPI_Init, which nothing ends but the process.
    static_cast<void>(joining.release());
  }
  if (!problem.empty()) throw Error(problem);
  return joining;
}

}  // namespace birbs
