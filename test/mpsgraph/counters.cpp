#include "counters.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace standin {
namespace {

constexpr size_t counter_count = static_cast<size_t>(Counter::size);
static_assert(sizeof(standin_counters_t) == counter_count * sizeof(uint64_t));

const char* const names[counter_count] = {
    "compiles",    "compiles_level1", "encodes",         "commandBuffers",
    "commits",     "completed",       "failed",          "hostWaits",
    "queueWaits",  "buffers",         "bufferBytes",     "liveBuffers",
    "liveBytes",   "peakBytes",       "copiedBytes",     "inputBytes",
    "resultBytes", "readBytes",       "variableBytesIn", "variableBytesOut",
    "inFlight",    "maxInFlight",
};

std::atomic<int64_t> counters[counter_count];

std::atomic<int64_t>& at(Counter counter) {
  return counters[static_cast<size_t>(counter)];
}

void raise(Counter most, int64_t value) {
  int64_t before = at(most);
  while (before < value && !at(most).compare_exchange_weak(before, value)) {
  }
}

// Writes the file that the environment asks for when the process ends.
struct AtExit {
  AtExit() {
    if (!std::getenv("BIRBS_STANDIN_COUNTERS")) return;
    std::atexit(
        [] { standin_write_counters(std::getenv("BIRBS_STANDIN_COUNTERS")); });
  }
} at_exit;

}  // namespace

void add(Counter counter, int64_t amount) {
  int64_t now = at(counter) += amount;
  if (counter == Counter::live_bytes) raise(Counter::peak_bytes, now);
  if (counter == Counter::in_flight) raise(Counter::max_in_flight, now);
}

uint64_t value_of(Counter counter) { return at(counter); }

void hold_bytes(int64_t bytes) { add(Counter::live_bytes, bytes); }

void reset_counters() {
  for (size_t i = 0; i < counter_count; ++i) {
    Counter counter = static_cast<Counter>(i);
    if (counter == Counter::live_buffers || counter == Counter::live_bytes ||
        counter == Counter::in_flight) {
      continue;
    }
    counters[i] = 0;
  }
  at(Counter::peak_bytes) = at(Counter::live_bytes).load();
  at(Counter::max_in_flight) = at(Counter::in_flight).load();
}

}  // namespace standin

standin_counters_t standin_counters() {
  uint64_t values[standin::counter_count];
  for (size_t i = 0; i < standin::counter_count; ++i) {
    values[i] = standin::counters[i];
  }
  standin_counters_t result;
  std::memcpy(&result, values, sizeof(result));
  return result;
}

int standin_write_counters(const char* path) {
  std::FILE* file = std::fopen(path, "w");
  if (!file) return 0;
  std::fputs("{", file);
  for (size_t i = 0; i < standin::counter_count; ++i) {
    std::fprintf(file, "%s\"%s\": %lld", i ? ", " : "", standin::names[i],
                 static_cast<long long>(standin::counters[i]));
  }
  std::fputs("}\n", file);
  return std::fclose(file) == 0;
}
