#pragma once

#include <cstddef>
#include <deque>
#include <memory>

namespace birbs::cpu {

// Zeroed memory on a cache line's boundary, on large pages where it is large.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);

  size_t bytes() const { return bytes_; }
  float* floats() const { return static_cast<float*>(memory_.get()); }
  template <typename Value = void>
  Value* as() const {
    return static_cast<Value*>(memory_.get());
  }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, Free> memory_;
  size_t bytes_ = 0;
};

// Memory that many users take in turn. Grows by adding a buffer, as earlier
// users keep pointing at the older ones; the first user is the largest.
class SharedBuffer {
 public:
  // At least this many bytes, valid as long as this object exists.
  void* reserve(size_t bytes);
  size_t bytes() const;

 private:
  std::deque<Buffer> buffers_;
};

}  // namespace birbs::cpu
