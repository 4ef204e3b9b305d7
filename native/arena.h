#pragma once

#include <cstdint>
#include <vector>

namespace birbs {

// A block of floats that is in use from one moment to another, both included.
struct Lifetime {
  int64_t floats = 0;
  int first = 0, last = 0;
};

// Where blocks lie in one piece of memory, so that no two that are in use at
// the same moment overlap. Each begins on a cache line.
struct Arena {
  std::vector<int64_t> offsets;
  int64_t floats = 0;
};

Arena pack_arena(const std::vector<Lifetime>& blocks);

}  // namespace birbs
