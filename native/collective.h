#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace birbs {

// The processes ("ranks") that train one network together. Calls on one channel
// must come in the same order on every rank; what goes over one channel never
// waits for the other. All but start_sum wait for the other ranks. Any thread
// may call.
//
// Once a rank has failed or no longer answers, every call throws Error with one
// sentence that names it, on all ranks.
class Collective {
 public:
  enum class Channel { step, control };

  // A sum under way, until `wait`.
  class Sum {
   public:
    virtual ~Sum() = default;
    virtual void wait() = 0;
  };

  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string library() const = 0;  // "Open MPI v4.1.4"

  // Element by element over all ranks, in place: the same bits on every rank.
  // The memory of floats must live until `wait` is done, and where that throws
  // as long as this: MPI may still write to it. Doubles are copied.
  virtual std::shared_ptr<Sum> start_sum(Channel channel, float* values,
                                         int64_t count) = 0;
  virtual std::shared_ptr<Sum> start_sum(Channel channel, double* values,
                                         int64_t count) = 0;
  template <typename Value>
  void sum(Channel channel, Value* values, int64_t count) {
    start_sum(channel, values, count)->wait();
  }

  // The bytes of rank `root`, on all ranks.
  virtual void broadcast(Channel channel, void* bytes, int64_t count,
                         int root) = 0;

  // `count` bytes of each rank, one rank after the other, on all ranks.
  virtual void gather(Channel channel, const void* bytes, int64_t count,
                      void* all) = 0;

  // Tells the other ranks that this one can't go on, and why. Calls that wait
  // throw, here too.
  virtual void fail(const std::string& reason) = 0;

  // The end: waits for the other ranks. After a failure, rank 0 tells the
  // others that it has saved what there is, and they wait for that, but not
  // long. Twice is fine.
  virtual void leave() = 0;

  virtual bool failed() const = 0;

  // Ends what waits, as the process is going down: from any thread.
  virtual void interrupt() = 0;
};

// What the launcher (mpirun) says to each process that it starts.
struct LaunchedAs {
  std::string launcher;  // "Open MPI", "MPICH"; empty: by none that is known
  int size = 1;          // processes
  int rank = 0;
};
LaunchedAs launched_as();

// Joins the ranks that the launcher started; throws Error that says what is
// missing, or that the library found is not the launcher's. Once a process.
std::shared_ptr<Collective> open_collective();

// The library that would be used, or why there is none.
struct MpiFound {
  std::string library;  // "Open MPI v4.1.4"
  std::string path;
  std::string problem;  // empty: it can be used
};
MpiFound find_mpi();

}  // namespace birbs
