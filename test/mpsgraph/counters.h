#pragma once

#include "standin.h"

namespace standin {

enum class Counter {
  compiles,
  compiles_level1,
  encodes,
  command_buffers,
  commits,
  completed,
  failed,
  host_waits,
  queue_waits,
  buffers,
  buffer_bytes,
  live_buffers,
  live_bytes,
  peak_bytes,
  copied_bytes,
  input_bytes,
  result_bytes,
  read_bytes,
  variable_bytes_in,
  variable_bytes_out,
  in_flight,
  max_in_flight,
  size,
};

void add(Counter counter, int64_t amount = 1);
uint64_t value_of(Counter counter);
void reset_counters();

// Device memory that is not a buffer: variables, constants, scratch.
void hold_bytes(int64_t bytes);  // negative: lets go

}  // namespace standin
