#include "arena.h"

#include <algorithm>
#include <numeric>

namespace birbs {
namespace {

int64_t rounded(int64_t floats) { return (floats + 15) / 16 * 16; }

bool together(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

// The largest first, each at the lowest place that is free all its life.
Arena pack_arena(const std::vector<Lifetime>& blocks) {
  Arena arena;
  arena.offsets.resize(blocks.size());
  std::vector<size_t> order(blocks.size()), placed;
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return blocks[a].floats > blocks[b].floats;
  });
  for (size_t block : order) {
    int64_t offset = 0;
    const int64_t size = rounded(blocks[block].floats);
    // `placed` is in the order of the offsets.
    for (size_t other : placed) {
      if (!together(blocks[block], blocks[other])) continue;
      const int64_t start = arena.offsets[other];
      if (offset + size <= start) break;
      offset = std::max(offset, start + rounded(blocks[other].floats));
    }
    arena.offsets[block] = offset;
    arena.floats = std::max(arena.floats, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [&](size_t a, size_t b) {
                                     return arena.offsets[a] < arena.offsets[b];
                                   }),
                  block);
  }
  return arena;
}

}  // namespace birbs
