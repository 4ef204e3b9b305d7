#pragma once

#include <oneapi/dnnl/dnnl_debug.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>

#include "network.h"

// What differs between oneDNN 2 (a desc, then a primitive_desc) and 3 (a
// primitive_desc at once), and small helpers over both.
namespace birbs::cpu {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

inline dnnl::engine& cpu_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A primitive_desc whose desc has the same arguments in both versions.
template <typename Primitive, typename... Values>
typename Primitive::primitive_desc describe_forward(
    const dnnl::primitive_attr& attributes, const Values&... values) {
#if DNNL_VERSION_MAJOR >= 3
  return
      typename Primitive::primitive_desc(cpu_engine(), values..., attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(values...),
                                            attributes, cpu_engine());
#endif
}

template <typename Primitive, typename Hint, typename... Values>
typename Primitive::primitive_desc describe_backward(
    const dnnl::primitive_attr& attributes, const Hint& hint,
    const Values&... values) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(cpu_engine(), values..., hint,
                                            attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(values...),
                                            attributes, cpu_engine(), hint);
#endif
}

inline dnnl::pooling_forward::primitive_desc describe_pooling(
    const dnnl::primitive_attr& attributes, dnnl::algorithm algorithm,
    const memory::desc& source, const memory::desc& target,
    const memory::dims& strides, const memory::dims& kernel,
    const memory::dims& pad_before, const memory::dims& pad_after) {
  constexpr auto training = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return describe_forward<dnnl::pooling_forward>(
      attributes, training, algorithm, source, target, strides, kernel,
      memory::dims{0, 0}, pad_before, pad_after);
#else
  return describe_forward<dnnl::pooling_forward>(
      attributes, training, algorithm, source, target, strides, kernel,
      pad_before, pad_after);
#endif
}

inline dnnl::pooling_backward::primitive_desc describe_pooling_gradient(
    const dnnl::primitive_attr& attributes,
    const dnnl::pooling_forward::primitive_desc& forward,
    dnnl::algorithm algorithm, const memory::desc& source,
    const memory::desc& target, const memory::dims& strides,
    const memory::dims& kernel, const memory::dims& pad_before,
    const memory::dims& pad_after) {
#if DNNL_VERSION_MAJOR >= 3
  return describe_backward<dnnl::pooling_backward>(
      attributes, forward, algorithm, source, target, strides, kernel,
      memory::dims{0, 0}, pad_before, pad_after);
#else
  return describe_backward<dnnl::pooling_backward>(
      attributes, forward, algorithm, source, target, strides, kernel,
      pad_before, pad_after);
#endif
}

// Scratch memory comes from the caller.
inline dnnl::primitive_attr scratchpad_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

inline void append_eltwise(dnnl::post_ops& after, dnnl::algorithm algorithm,
                           float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
  after.append_eltwise(algorithm, alpha, beta);
#else
  after.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
}

inline memory::desc describe_memory(const memory::dims& dims,
                                    memory::format_tag tag) {
  return memory::desc(dims, memory::data_type::f32, tag);
}

inline memory attach(const memory::desc& desc, const void* data) {
  return memory(desc, cpu_engine(), const_cast<void*>(data));
}

// oneDNN's convention: a dilation of 0 means no dilation.
struct Geometry {
  memory::dims kernel, strides, dilations, pad_before, pad_after;
};

inline Geometry geometry_of(const Window& window) {
  return {{window.kernel_height, window.kernel_width},
          {window.stride_height, window.stride_width},
          {window.dilation_height - 1, window.dilation_width - 1},
          {window.pad_top, window.pad_left},
          {window.pad_bottom, window.pad_right}};
}

// [out, in, kh, kw], or [groups, out, in, kh, kw] where there are groups.
inline memory::dims convolution_weights(int out, int in, const Window& window,
                                        int groups) {
  memory::dims dims{out / groups, in / groups, window.kernel_height,
                    window.kernel_width};
  if (groups > 1) dims.insert(dims.begin(), groups);
  return dims;
}

inline memory::format_tag plain_weights(int groups) {
  return groups > 1 ? memory::format_tag::goihw : memory::format_tag::oihw;
}

// Whether oneDNN computes this as a general product of matrices.
template <typename PrimitiveDesc>
bool is_matrix_product(const PrimitiveDesc& desc) {
  return std::string(desc.impl_info_str()).find("gemm") != std::string::npos;
}

// 0 for a kernel made for the shape and layout; products of matrices are slower
// (most of all for depthwise convolutions), oneDNN's reference code far slower.
template <typename PrimitiveDesc>
int slowness_of(const PrimitiveDesc& desc) {
  if (std::string(desc.impl_info_str()).starts_with("ref")) return 100;
  return is_matrix_product(desc) ? 1 : 0;
}

// A primitive with its arguments, ready to run.
struct Call {
  dnnl::primitive primitive;
  Arguments arguments;

  explicit operator bool() const { return primitive.get(true) != nullptr; }
  void run(dnnl::stream& stream) const {
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

}  // namespace birbs::cpu
