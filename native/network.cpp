#include "network.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "philox.h"

namespace birbs {
namespace {

constexpr int64_t max_elements = int64_t{1} << 31;
// So that a description from outside can't ask for the machine.
constexpr int64_t max_parameters = 1 << 28, max_activations = 1 << 28;

// The product, or 2^40 if that is smaller: never overflows, nor does a sum.
int64_t product(std::initializer_list<int64_t> factors) {
  constexpr int64_t most = int64_t{1} << 40;
  int64_t result = 1;
  for (int64_t factor : factors) {
    if (factor > most / result) return most;
    result *= factor;
  }
  return result;
}

void check_total(const char* what, int64_t limit, int64_t found) {
  if (found <= limit) return;
  throw Error("Expected a network of at most " + std::to_string(limit) + " " +
              what + ", but it has " + std::to_string(found) +
              "; use a smaller image size");
}

// Walks the layers once, and knows where it is when something is wrong.
class Planner {
 public:
  Planner(const Network& network, int batch_size)
      : network_(network), batch_size_(batch_size) {}

  Plan plan() {
    check_input();
    number_names();
    plan_.shapes.push_back(network_.input);
    plan_.readers.emplace_back();
    plan_.learns.push_back(false);
    for (index_ = 0; index_ < network_.layers.size(); ++index_) add_layer();
    check_readers();
    check_logits();
    check_totals();
    check_sizes();
    return std::move(plan_);
  }

 private:
  [[noreturn]] void refuse(const std::string& text) const {
    throw Error(layer_prefix(network_.layers[index_].kind, index_) + text);
  }

  void check_input() const {
    if (product({batch_size_, network_.input.size()}) < max_elements) return;
    throw Error("network: a batch of " + std::to_string(batch_size_) +
                " images of " + to_text(network_.input) +
                " has 2^31 elements or more; take a smaller batch.");
  }

  void number_names() {
    for (index_ = 0; index_ < network_.layers.size(); ++index_) {
      const std::string& name = network_.layers[index_].name;
      if (name.empty() || numbers_.emplace(name, index_).second) continue;
      refuse("the name \"" + name +
             "\" is taken by an earlier layer; give each its own.");
    }
  }

  void add_layer() {
    const Layer& layer = network_.layers[index_];
    plan_.inputs.push_back(find_inputs(layer));
    std::vector<Shape> in;
    bool learns = false;
    for (int value : plan_.inputs.back()) {
      in.push_back(plan_.shapes[value]);
      plan_.readers[value].push_back(static_cast<int>(index_));
      learns = learns || plan_.learns[value];
    }
    plan_.layers.push_back(with_padding(layer, in[0]));
    const Layer& settled = plan_.layers.back();
    Shape out;
    try {
      out = output_shape(settled, in);
    } catch (const Error& error) {
      refuse(error.what());
    }
    plan_.multiply_adds.push_back(multiply_adds(settled, in[0], out));
    learns = add_parameters(settled, in[0]) || learns;
    plan_.shapes.push_back(out);
    plan_.readers.emplace_back();
    plan_.learns.push_back(learns);
  }

  std::vector<int> find_inputs(const Layer& layer) const {
    const size_t wanted = layer.kind == OpKind::add ? 2 : 1;
    if (layer.from.empty() && wanted == 1) return {static_cast<int>(index_)};
    if (layer.from.size() != wanted) {
      refuse("expected " + std::to_string(wanted) +
             (wanted == 1 ? " layer" : " layers") + " to read from, found " +
             std::to_string(layer.from.size()) + ".");
    }
    std::vector<int> inputs;
    for (const std::string& name : layer.from) inputs.push_back(find(name));
    return inputs;
  }

  int find(const std::string& name) const {
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) {
      refuse("expected the name of an earlier layer to read from, found \"" +
             name + "\", which no layer has.");
    }
    if (found->second >= index_) {
      refuse("expected the name of an earlier layer to read from, found \"" +
             name + "\", which is layer " + std::to_string(found->second + 1) +
             ".");
    }
    return static_cast<int>(found->second) + 1;
  }

  // Whether any of them is trained.
  bool add_parameters(const Layer& layer, const Shape& in) {
    bool learns = false;
    for (const ParameterRule& rule : parameters_of(layer, in)) {
      int64_t size = 1;
      for (int64_t side : rule.shape) size = product({size, side});
      const bool trainable = rule.learns && !layer.frozen;
      plan_.parameters.push_back({layer.name + "." + rule.suffix, rule.shape,
                                  plan_.parameter_count, size, trainable,
                                  static_cast<int>(index_)});
      plan_.parameter_count += size;
      learns = learns || trainable;
    }
    return learns;
  }

  void check_sizes() {
    for (index_ = 0; index_ < network_.layers.size(); ++index_) {
      const Shape& out = plan_.shapes[index_ + 1];
      if (product({out.size(), batch_size_}) < max_elements) continue;
      refuse("its output " + to_text(out) + " for a batch of " +
             std::to_string(batch_size_) +
             " has 2^31 elements or more; take a smaller batch or image.");
    }
  }

  void check_readers() {
    for (index_ = 0; index_ + 1 < network_.layers.size(); ++index_) {
      if (!plan_.readers[index_ + 1].empty()) continue;
      refuse("expected a later layer to read it, found none; remove it, or " +
             std::string("name it in the `from` of another."));
    }
  }

  void check_logits() const {
    const Shape& last = plan_.shapes.back();
    if (!last.flat) {
      throw Error("network: expected " + std::to_string(network_.classes) +
                  " logits at the end, found an image of " + to_text(last) +
                  "; end with flatten and dense.");
    }
    if (last.channels != network_.classes) {
      throw Error("network: expected as many logits as classes, " +
                  std::to_string(network_.classes) + ", found " +
                  std::to_string(last.channels) +
                  "; change the last dense layer.");
    }
  }

  void check_totals() const {
    int64_t activations = 0;
    for (const Shape& shape : plan_.shapes) activations += shape.size();
    check_total("weights", max_parameters, plan_.parameter_count);
    check_total("values between its layers for one image", max_activations,
                activations);
  }

  const Network& network_;
  int batch_size_;
  Plan plan_;
  size_t index_ = 0;
  std::map<std::string, size_t> numbers_;  // layers by name
};

}  // namespace

std::string layer_prefix(OpKind kind, size_t index) {
  return "layer " + std::to_string(index + 1) + " (" + op_type(kind).name +
         "): ";
}

Plan plan_network(const Network& network, int batch_size) {
  return Planner(network, batch_size).plan();
}

int feature_value(const Plan& plan) {
  for (size_t i = plan.layers.size(); i-- > 0;) {
    if (plan.layers[i].kind != OpKind::dense) continue;
    int value = plan.inputs[i][0];
    while (value > 0 && plan.layers[value - 1].kind == OpKind::dropout) {
      value = plan.inputs[value - 1][0];
    }
    return value;
  }
  throw Error(
      "features: expected a dense layer that reads them, found none; name the "
      "layer whose output is wanted.");
}

int value_of(const Plan& plan, const std::string& layer) {
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    if (!layer.empty() && plan.layers[i].name == layer) {
      return static_cast<int>(i) + 1;
    }
  }
  throw Error("features: expected the name of a layer, found \"" + layer +
              "\", which no layer has.");
}

std::vector<float> init_parameters(const Plan& plan, uint64_t seed) {
  std::vector<float> values(plan.parameter_count);
  size_t index = 0;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const Shape& in = plan.shapes[plan.inputs[i][0]];
    for (const ParameterRule& rule : parameters_of(plan.layers[i], in)) {
      const Parameter& parameter = plan.parameters[index];
      float* first = values.data() + parameter.offset;
      if (rule.random) {
        const auto words =
            philox_words(seed, init_stream + static_cast<uint32_t>(index), 0,
                         parameter.size);
        for (int64_t k = 0; k < parameter.size; ++k) {
          first[k] = (2 * to_uniform(words[k]) - 1) * rule.start;
        }
      } else {
        std::fill_n(first, parameter.size, rule.start);
      }
      ++index;
    }
  }
  return values;
}

}  // namespace birbs
