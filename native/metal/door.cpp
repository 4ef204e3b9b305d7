#include "door.h"

#include <algorithm>

namespace birbs::metal {

namespace {

template <typename Visit>
void visit_weight(const Door& door, Visit visit) {
  const int64_t image = door.height * door.width;
  for (int64_t o = 0; o < door.out; ++o) {
    for (int64_t c = 0; c < door.channels; ++c) {
      for (int64_t i = 0; i < image; ++i) {
        visit((o * door.channels + c) * image + i,
              (i * door.channels + c) * door.out + o);
      }
    }
  }
}

}  // namespace

Shape counted_shape(const Plan& plan, int value) {
  while (plan.shapes[value].flat) {
    const OpKind kind = plan.layers[value - 1].kind;
    if (kind == OpKind::dense) break;
    value = plan.inputs[value - 1][0];
  }
  return plan.shapes[value];
}

std::vector<Door> doors(const Plan& plan) {
  std::vector<Door> all;
  for (const Parameter& parameter : plan.parameters) {
    Door door;
    door.offset = parameter.offset;
    door.size = parameter.size;
    const auto layer = static_cast<size_t>(parameter.layer);
    if (parameter.shape.size() == 4) {  // [out, in / groups, kh, kw]
      door.weight = true;
      door.out = parameter.shape[0];
      door.channels = parameter.shape[1];
      door.height = parameter.shape[2];
      door.width = parameter.shape[3];
      door.device_shape = {door.height, door.width, door.channels, door.out};
    } else if (parameter.shape.size() == 2) {  // [out, in]
      const Shape counted = counted_shape(plan, plan.inputs[layer][0]);
      door.weight = true;
      door.out = parameter.shape[0];
      door.channels = counted.channels;
      door.height = counted.height;
      door.width = counted.width;
      door.device_shape = {parameter.shape[1], door.out};
    } else {
      door.device_shape = parameter.shape;
    }
    all.push_back(door);
  }
  return all;
}

void from_image(const Shape& shape, const float* device, float* planes) {
  const int64_t pixels = int64_t{shape.height} * shape.width;
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t i = 0; i < pixels; ++i) {
      planes[c * pixels + i] = device[i * shape.channels + c];
    }
  }
}

void to_device(const Door& door, const float* torch, float* device) {
  if (!door.weight) {
    std::copy(torch, torch + door.size, device);
    return;
  }
  visit_weight(door, [&](int64_t outside, int64_t inside) {
    device[inside] = torch[outside];
  });
}

void from_device(const Door& door, const float* device, float* torch) {
  if (!door.weight) {
    std::copy(device, device + door.size, torch);
    return;
  }
  visit_weight(door, [&](int64_t outside, int64_t inside) {
    torch[outside] = device[inside];
  });
}

void fill_dropout_mask(uint64_t seed, size_t layer, uint64_t step, int count,
                       const Shape& shape, float rate, uint8_t* mask) {
  const auto stream = dropout_stream + static_cast<uint32_t>(layer);
  const int64_t image = int64_t{shape.height} * shape.width;
  std::array<uint32_t, 4> words{};
  int64_t element = 0;
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t i = 0; i < image; ++i, ++element) {
        if (element % 4 == 0) {
          words =
              philox(seed, stream, step, static_cast<uint32_t>(element / 4));
        }
        mask[(n * image + i) * shape.channels + c] =
            dropout_keeps(words[element % 4], rate) ? 1 : 0;
      }
    }
  }
}

}  // namespace birbs::metal
