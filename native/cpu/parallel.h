#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

namespace birbs::cpu {

// Numbers too small for a normal float become 0 on this thread: moments of
// dead units fade into them, and many processors are slow there.
inline void flush_denormals() {
#ifdef __SSE2__
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#endif
}

// OpenMP ends the process where a thread can't be had, so that this tries
// first: throws std::system_error. Once for each thread that calls, as each has
// a team of its own.
void prepare_threads();

// How many threads the loops below and oneDNN's take, for this calling thread,
// and how all of them count.
inline void set_threads([[maybe_unused]] int threads) {
  flush_denormals();
#ifdef _OPENMP
  static thread_local int ready = 0;
  omp_set_num_threads(threads);
  if (ready == threads) return;
  prepare_threads();
#pragma omp parallel
  flush_denormals();
  ready = threads;
#endif
}

// Of the thread that runs a task below: 0 .. threads-1.
inline int thread_index() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Calls task(first, last) once a thread with its share of 0 .. count-1: the
// same shares each time, so that results repeat. `floats` says how much is
// touched in all; little is not worth waking threads for. A task must not
// throw.
template <typename Task>
void parallel(int64_t count, [[maybe_unused]] int64_t floats,
              const Task& task) {
#ifdef _OPENMP
  if (count > 1 && floats > 16384) {
#pragma omp parallel
    {
      const int64_t threads = omp_get_num_threads();
      const int64_t thread = omp_get_thread_num();
      task(count * thread / threads, count * (thread + 1) / threads);
    }
    return;
  }
#endif
  task(int64_t{0}, count);
}

}  // namespace birbs::cpu
