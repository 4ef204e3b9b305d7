#include "buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace birbs::cpu {
namespace {

constexpr size_t line = 64, large_page = size_t{2} << 20;

}  // namespace

Buffer::Buffer(size_t bytes) : bytes_(bytes) {
  const size_t alignment = bytes >= 2 * large_page ? large_page : line;
  const size_t rounded = (bytes + alignment) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (!memory) throw std::bad_alloc();
#ifdef __linux__
  // Fewer page faults and translations; a kernel may decline.
  if (alignment == large_page) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, rounded);
  memory_.reset(memory);
}

void Buffer::Free::operator()(void* memory) const { std::free(memory); }

void* SharedBuffer::reserve(size_t bytes) {
  if (buffers_.empty() || buffers_.back().bytes() < bytes) {
    buffers_.emplace_back(bytes);
  }
  return buffers_.back().as();
}

size_t SharedBuffer::bytes() const {
  size_t sum = 0;
  for (const Buffer& buffer : buffers_) sum += buffer.bytes();
  return sum;
}

}  // namespace birbs::cpu
