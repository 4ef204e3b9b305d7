#include "loops.h"

#include <cstdlib>
#include <cstring>
#include <thread>

#include "faults.h"
#include "portable/threads.h"

namespace standin {

birbs::portable::Threads& threads() {
  static auto* threads = [] {
    int count = static_cast<int>(number_setting("threads"));
    if (count <= 0)
      count = static_cast<int>(std::thread::hardware_concurrency());
    return new birbs::portable::Threads(std::max(count, 1));
  }();
  return *threads;
}

void parallel(int64_t size, int64_t cost,
              const std::function<void(int64_t, int64_t)>& task) {
  constexpr int64_t least = 1 << 15;  // elements that are worth a task
  int64_t parts = std::min(size, size * cost / least);
  if (parts < 2) {
    if (size > 0) task(0, size);
    return;
  }
  parts = std::min<int64_t>(parts, 64);
  threads().run(parts, [&](int64_t part) {
    task(size * part / parts, size * (part + 1) / parts);
  });
}

Dims strides_of(const Dims& dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

Dims broadcast_strides(const Dims& dims, const Dims& to) {
  Dims own = strides_of(dims), strides(to.size(), 0);
  size_t missing = to.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] != 1) strides[missing + i] = own[i];
  }
  return strides;
}

Broadcast::Broadcast(const Dims& dims, const Dims& left, const Dims& right) {
  Dims a_strides = broadcast_strides(left, dims);
  Dims b_strides = broadcast_strides(right, dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (!size.empty() && a.back() == a_strides[i] * dims[i] &&
        b.back() == b_strides[i] * dims[i]) {
      size.back() *= dims[i];
      a.back() = a_strides[i];
      b.back() = b_strides[i];
      continue;
    }
    size.push_back(dims[i]);
    a.push_back(a_strides[i]);
    b.push_back(b_strides[i]);
  }
  if (size.empty()) {
    size = {1};
    a = b = {0};
  }
}

Grouped::Grouped(const Dims& dims, const Dims& small) {
  Dims strides = strides_of(dims), size, stride;
  std::vector<bool> keeps;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    bool keep = small[i] != 1;
    if (!keeps.empty() && keeps.back() == keep) {
      size.back() *= dims[i];
      stride.back() = strides[i];
      continue;
    }
    size.push_back(dims[i]);
    stride.push_back(strides[i]);
    keeps.push_back(keep);
  }
  if (size.empty()) return;
  inner = size.back();
  inner_kept = keeps.back();
  for (size_t i = 0; i + 1 < size.size(); ++i) {
    (keeps[i] ? kept_size : reduced_size).push_back(size[i]);
    (keeps[i] ? kept_stride : reduced_stride).push_back(stride[i]);
    (keeps[i] ? kept : reduced) *= size[i];
  }
}

void strided_copy(const Dims& dims, const Word* from, const Dims& from_strides,
                  Word* to, const Dims& to_strides) {
  Dims size, source, target;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (!size.empty() && source.back() == from_strides[i] * dims[i] &&
        target.back() == to_strides[i] * dims[i]) {
      size.back() *= dims[i];
      source.back() = from_strides[i];
      target.back() = to_strides[i];
      continue;
    }
    size.push_back(dims[i]);
    source.push_back(from_strides[i]);
    target.push_back(to_strides[i]);
  }
  if (size.empty()) {
    *to = *from;
    return;
  }
  const int64_t inner = size.back(), step = source.back(), out = target.back();
  const size_t outer = size.size() - 1;
  parallel(count(dims) / inner, inner, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      int64_t rest = row, from_at = 0, to_at = 0;
      for (size_t i = outer; i-- > 0;) {
        from_at += rest % size[i] * source[i];
        to_at += rest % size[i] * target[i];
        rest /= size[i];
      }
      const Word* read = from + from_at;
      Word* write = to + to_at;
      if (step == 1 && out == 1) {
        std::memcpy(write, read, inner * sizeof(Word));
      } else {
        for (int64_t i = 0; i < inner; ++i) write[i * out] = read[i * step];
      }
    }
  });
}

}  // namespace standin
