#pragma once

#include <cstdint>
#include <vector>

#include "network.h"
#include "philox.h"

// Between PyTorch's layouts outside and NHWC / HWIO inside. Plain C++.
namespace birbs::metal {

// How one parameter is laid out on the device. Weights, [out, channels, height,
// width] outside, are [height, width, channels, out] inside: HWIO for a
// convolution, [in, out] for a dense layer whose inputs count H, W, C. Vectors
// are the same on both sides.
struct Door {
  int64_t offset = 0, size = 0;  // in the flat array of all parameters
  bool weight = false;
  int64_t out = 1, channels = 1, height = 1, width = 1;
  std::vector<int64_t> device_shape;
};

std::vector<Door> doors(const Plan& plan);

// Values of one image from the device's order to C, H, W.
void from_image(const Shape& shape, const float* device, float* planes);

void to_device(const Door& door, const float* torch, float* device);
void from_device(const Door& door, const float* device, float* torch);

// The shape whose elements a value counts in H, W, C order: of flat features
// that of the image they were, or {features, 1, 1} behind a dense layer.
Shape counted_shape(const Plan& plan, int value);

// 1 where dropout of `layer` keeps, in device order (N, H, W, C).
void fill_dropout_mask(uint64_t seed, size_t layer, uint64_t step, int count,
                       const Shape& shape, float rate, uint8_t* mask);

}  // namespace birbs::metal
