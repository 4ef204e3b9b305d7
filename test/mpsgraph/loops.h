#pragma once

// Ways through tensors that the kernels share.

#include <algorithm>
#include <functional>

#include "types.h"

namespace standin {

// Runs task(first, last) over parts of 0 .. size. Only one kernel runs at a
// time; `cost` is that of an element, in elements of the cheapest kernel.
void parallel(int64_t size, int64_t cost,
              const std::function<void(int64_t, int64_t)>& task);

// Copies words between two strided tensors; strides may be 0 or negative.
void strided_copy(const Dims& dims, const Word* from, const Dims& from_strides,
                  Word* to, const Dims& to_strides);

Dims strides_of(const Dims& dims);
// Strides of `dims` seen under the shape it broadcasts to.
Dims broadcast_strides(const Dims& dims, const Dims& to);

// Two operands broadcast to one shape, neighbouring dimensions merged.
struct Broadcast {
  Dims size, a, b;  // a, b: strides
  Broadcast(const Dims& dims, const Dims& left, const Dims& right);
};

// A tensor whose dimensions are kept or reduced, neighbours of a kind merged.
// Kept dimensions number the results.
struct Grouped {
  Dims kept_size, kept_stride, reduced_size, reduced_stride;  // but the last
  int64_t kept = 1, reduced = 1;  // products of the sizes
  int64_t inner = 1;              // the last group, contiguous
  bool inner_kept = true;

  // `small` has the rank of `dims`; where it is 1, a dimension is reduced.
  Grouped(const Dims& dims, const Dims& small);

  int64_t kept_offset(int64_t index) const {
    return offset(kept_size, kept_stride, index);
  }
  int64_t reduced_offset(int64_t index) const {
    return offset(reduced_size, reduced_stride, index);
  }

 private:
  static int64_t offset(const Dims& size, const Dims& stride, int64_t index) {
    int64_t sum = 0;
    for (size_t i = size.size(); i-- > 1;) {
      sum += index % size[i] * stride[i];
      index /= size[i];
    }
    return size.empty() ? 0 : sum + index * stride[0];
  }
};

// y(i) = function(a(i), b(i)) with broadcasting. y may be a or b where that one
// isn't broadcast.
template <typename In, typename Out, typename Function>
void each_pair(const Dims& dims, const Dims& a_dims, const In* a,
               const Dims& b_dims, const In* b, Out* y, Function function) {
  Broadcast loop(dims, a_dims, b_dims);
  const int64_t inner = loop.size.back();
  const int64_t a_step = loop.a.back(), b_step = loop.b.back();
  const size_t outer = loop.size.size() - 1;
  auto row = [&](const In* left, const In* right, Out* out, int64_t size) {
    if (a_step == 1 && b_step == 1) {
      for (int64_t i = 0; i < size; ++i) out[i] = function(left[i], right[i]);
    } else if (a_step == 1) {
      const In value = *right;
      for (int64_t i = 0; i < size; ++i) out[i] = function(left[i], value);
    } else if (b_step == 1) {
      const In value = *left;
      for (int64_t i = 0; i < size; ++i) out[i] = function(value, right[i]);
    } else {
      std::fill_n(out, size, function(*left, *right));
    }
  };
  if (outer == 0) {
    parallel(inner, 1, [&](int64_t first, int64_t last) {
      row(a + first * a_step, b + first * b_step, y + first, last - first);
    });
    return;
  }
  int64_t rows = count(dims) / inner;
  parallel(rows, inner, [&](int64_t first, int64_t last) {
    Dims index(outer);
    int64_t a_at = 0, b_at = 0, rest = first;
    for (size_t i = outer; i-- > 0;) {
      index[i] = rest % loop.size[i];
      rest /= loop.size[i];
      a_at += index[i] * loop.a[i];
      b_at += index[i] * loop.b[i];
    }
    for (int64_t r = first; r < last; ++r) {
      row(a + a_at, b + b_at, y + r * inner, inner);
      for (size_t i = outer; i-- > 0;) {
        a_at += loop.a[i];
        b_at += loop.b[i];
        if (++index[i] < loop.size[i]) break;
        index[i] = 0;
        a_at -= loop.size[i] * loop.a[i];
        b_at -= loop.size[i] * loop.b[i];
      }
    }
  });
}

// store(k, sum) where sum joins value(i, k) over all elements i of result k.
// The same numbers whatever the number of threads.
template <typename Sum, typename Take, typename Join, typename Store>
void reduce(const Grouped& group, Sum start, Take value, Join join,
            Store store) {
  const int64_t width = group.inner_kept ? group.inner : 1;
  const int64_t parts =
      group.kept == 1 ? std::min<int64_t>(16, group.reduced) : 1;
  std::vector<Sum> sums(group.kept * parts * width, start);
  int64_t cost = group.reduced * group.inner / parts;
  parallel(group.kept * parts, cost, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t k = task / parts, part = task % parts;
      const int64_t base = group.kept_offset(k), number = k * width;
      Sum* sum = sums.data() + task * width;
      const int64_t end = group.reduced * (part + 1) / parts;
      for (int64_t r = group.reduced * part / parts; r < end; ++r) {
        const int64_t at = base + group.reduced_offset(r);
        if (group.inner_kept) {
          for (int64_t j = 0; j < width; ++j) {
            sum[j] = join(sum[j], value(at + j, number + j));
          }
        } else {
          Sum total = *sum;
          for (int64_t j = 0; j < group.inner; ++j) {
            total = join(total, value(at + j, number));
          }
          *sum = total;
        }
      }
    }
  });
  for (int64_t k = 0; k < group.kept; ++k) {
    for (int64_t j = 0; j < width; ++j) {
      Sum total = sums[k * parts * width + j];
      for (int64_t part = 1; part < parts; ++part) {
        total = join(total, sums[(k * parts + part) * width + j]);
      }
      store(k * width + j, total);
    }
  }
}

// task(i, k) for each element i, whose result in the small tensor is k.
template <typename Task>
void each_grouped(const Grouped& group, Task task) {
  const int64_t width = group.inner_kept ? group.inner : 1;
  parallel(group.kept * group.reduced, group.inner,
           [&](int64_t first, int64_t last) {
             for (int64_t row = first; row < last; ++row) {
               const int64_t k = row / group.reduced;
               const int64_t at = group.kept_offset(k) +
                                  group.reduced_offset(row % group.reduced);
               const int64_t number = k * width;
               if (group.inner_kept) {
                 for (int64_t j = 0; j < width; ++j) task(at + j, number + j);
               } else {
                 for (int64_t j = 0; j < group.inner; ++j) task(at + j, number);
               }
             }
           });
}

}  // namespace standin
