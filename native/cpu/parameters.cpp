#include "parameters.h"

#include <algorithm>

#include "parallel.h"

namespace birbs::cpu {
namespace {

// Tensors begin on a cache line.
int64_t rounded(int64_t floats) { return (floats + 15) / 16 * 16; }

Buffer floats(int64_t count) { return Buffer(count * sizeof(float)); }

memory::desc plain_desc(const Layer& layer, const Parameter& weight) {
  memory::dims dims(weight.shape.begin(), weight.shape.end());
  if (layer.groups > 1) {
    dims[0] /= layer.groups;
    dims.insert(dims.begin(), layer.groups);
  }
  return describe_memory(dims, plain_weights(layer.groups));
}

void reorder(const memory::desc& from, const float* source,
             const memory::desc& to, float* target) {
  dnnl::stream stream(cpu_engine());
  memory source_memory = attach(from, source);
  memory target_memory = attach(to, target);
  dnnl::reorder(source_memory, target_memory)
      .execute(stream, source_memory, target_memory);
  stream.wait();
}

// Calls copy(packed offset, flat offset) for each weight of a dense layer.
template <typename Copy>
void each_dense_weight(const Node& node, const Copy& copy) {
  const Panels& panels = node.panels;
  const int64_t inputs = node.in.shape.size(), plane = node.in.plane();
  parallel(inputs, panels.size(), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t row = node.in.offset(i / plane, i % plane);
      for (int64_t o = 0; o < panels.outputs; ++o) {
        copy(panels.offset(o, row), o * inputs + i);
      }
    }
  });
}

}  // namespace

Parameters::Parameters(const Optimizer& optimizer, const Plan& plan,
                       const Graph& graph, bool store_all)
    : plan_(plan),
      store_all_(store_all),
      moments_(moment_count(optimizer)),
      slots_(plan.parameters.size()),
      layers_(plan.layers.size()) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    layers_[plan.parameters[i].layer].push_back(i);
    slots_[i].size = plan.parameters[i].size;
  }
  for (const Node& node : graph.nodes) {
    if (node.kernel == Kernel::dense) {
      Slot& slot = slots_[layers_[node.layer][0]];
      slot.dense = &node;
      slot.size = node.panels.size();
    } else if (node.kernel == Kernel::convolution && !node.inference) {
      Slot& slot = slots_[layers_[node.layer][0]];
      slot.convolution = &node;
      slot.size = static_cast<int64_t>(node.weights.get_size() / sizeof(float));
    }
  }
  find_groups(optimizer);
  statistics_ = floats(place_values());
  values_ = floats(size_);
  gradients_ = floats(stored_);
  moment_values_ = floats(moments_ * size_);
}

void Parameters::find_groups(const Optimizer& optimizer) {
  for (const Parameter& parameter : plan_.parameters) {
    const ParameterGroup group = group_of(optimizer, plan_, parameter);
    const auto found = std::find(groups_.begin(), groups_.end(), group);
    group_of_.push_back(found - groups_.begin());
    if (found == groups_.end()) groups_.push_back(group);
  }
}

// Group by group what has stored gradients, then dense weights; what does not
// learn is kept apart. Returns how much that is.
int64_t Parameters::place_values() {
  auto place = [&](auto belongs, int64_t& end) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!belongs(i)) continue;
      slots_[i].offset = end;
      end += rounded(slots_[i].size);
    }
  };
  auto trainable = [&](size_t i) { return plan_.parameters[i].trainable; };
  for (size_t group = 0; group < groups_.size(); ++group) {
    const int64_t start = stored_;
    place(
        [&](size_t i) {
          return trainable(i) && is_stored(slots_[i]) && group_of_[i] == group;
        },
        stored_);
    if (stored_ > start) ranges_.push_back({start, stored_ - start, group});
  }
  size_ = stored_;
  place([&](size_t i) { return trainable(i) && !is_stored(slots_[i]); }, size_);
  int64_t fixed = 0;
  place([&](size_t i) { return !trainable(i); }, fixed);
  return fixed;
}

const Parameters::Slot* Parameters::find(size_t layer, size_t nth) const {
  return nth < layers_[layer].size() ? &slots_[layers_[layer][nth]] : nullptr;
}

bool Parameters::has(size_t layer, size_t nth) const {
  return find(layer, nth) != nullptr;
}

float* Parameters::value(size_t layer, size_t nth) const {
  const Slot* slot = find(layer, nth);
  if (!slot) return nullptr;
  const bool trainable = plan_.parameters[layers_[layer][nth]].trainable;
  return (trainable ? values_ : statistics_).floats() + slot->offset;
}

float* Parameters::gradient(size_t layer, size_t nth) const {
  const Slot* slot = find(layer, nth);
  if (!slot || !is_stored(*slot)) return nullptr;
  const bool trainable = plan_.parameters[layers_[layer][nth]].trainable;
  return trainable ? gradients_.floats() + slot->offset : nullptr;
}

int64_t Parameters::size(size_t layer, size_t nth) const {
  const Slot* slot = find(layer, nth);
  return slot ? slot->size : 0;
}

size_t Parameters::group(size_t layer, size_t nth) const {
  return group_of_[layers_[layer][nth]];
}

float* Parameters::moment(int which) const {
  return which < moments_ ? moment_values_.floats() + which * size_ : nullptr;
}

Chunk Parameters::chunk(int64_t offset, int64_t count, size_t group) const {
  return chunk(values_.floats() + offset, gradients_.floats() + offset, count,
               group);
}

Chunk Parameters::chunk(float* values, const float* gradients, int64_t count,
                        size_t group) const {
  const int64_t offset = values - values_.floats();
  float *first = moment(0), *second = moment(1);
  return {values,
          gradients,
          first ? first + offset : nullptr,
          second ? second + offset : nullptr,
          count,
          group};
}

void Parameters::unpack(size_t index, const float* packed, float* flat) const {
  const Slot& slot = slots_[index];
  const Parameter& parameter = plan_.parameters[index];
  if (slot.dense) {
    each_dense_weight(*slot.dense, [=](int64_t inside, int64_t outside) {
      flat[outside] = packed[inside];
    });
  } else if (slot.convolution) {
    const Layer& layer = plan_.layers[parameter.layer];
    reorder(slot.convolution->weights, packed, plain_desc(layer, parameter),
            flat);
  } else {
    std::copy_n(packed, parameter.size, flat);
  }
}

void Parameters::pack(size_t index, const float* flat, float* packed) const {
  const Slot& slot = slots_[index];
  const Parameter& parameter = plan_.parameters[index];
  if (slot.dense) {
    each_dense_weight(*slot.dense, [=](int64_t inside, int64_t outside) {
      packed[inside] = flat[outside];
    });
  } else if (slot.convolution) {
    pack_convolution(*slot.convolution, flat, packed);
  } else {
    std::copy_n(flat, parameter.size, packed);
  }
}

void Parameters::pack_convolution(const Node& node, const float* plain,
                                  float* packed) const {
  const Parameter& weight = plan_.parameters[layers_[node.layer][0]];
  reorder(plain_desc(plan_.layers[node.layer], weight), plain, node.weights,
          packed);
}

std::vector<float> Parameters::plain(size_t layer, size_t nth) const {
  if (!has(layer, nth)) return {};
  const size_t index = layers_[layer][nth];
  std::vector<float> flat(plan_.parameters[index].size);
  unpack(index, value(layer, nth), flat.data());
  return flat;
}

void Parameters::read_values(float* flat) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Parameter& parameter = plan_.parameters[i];
    const Buffer& from = parameter.trainable ? values_ : statistics_;
    unpack(i, from.floats() + slots_[i].offset, flat + parameter.offset);
  }
}

void Parameters::write_values(const float* flat) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Parameter& parameter = plan_.parameters[i];
    const Buffer& to = parameter.trainable ? values_ : statistics_;
    pack(i, flat + parameter.offset, to.floats() + slots_[i].offset);
  }
}

void Parameters::read_moments(float* flat) const {
  for (int which = 0; which < moments_; ++which) {
    read_gradients(moment(which), flat + which * plan_.parameter_count);
  }
}

void Parameters::write_moments(const float* flat) {
  for (int which = 0; which < moments_; ++which) {
    const float* values = flat + which * plan_.parameter_count;
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Parameter& parameter = plan_.parameters[i];
      if (!parameter.trainable) continue;
      pack(i, values + parameter.offset, moment(which) + slots_[i].offset);
    }
  }
}

void Parameters::read_gradients(const float* packed, float* flat) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Parameter& parameter = plan_.parameters[i];
    if (parameter.trainable) {
      unpack(i, packed + slots_[i].offset, flat + parameter.offset);
    } else {
      std::fill_n(flat + parameter.offset, parameter.size, 0.0f);
    }
  }
}

int64_t Parameters::bytes() const {
  return static_cast<int64_t>(values_.bytes() + gradients_.bytes() +
                              moment_values_.bytes() + statistics_.bytes());
}

}  // namespace birbs::cpu
