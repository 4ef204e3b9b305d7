#include "calls.h"

#include <unistd.h>

#include <new>
#include <optional>

#include "addon.h"
#include "arguments.h"
#include "backend.h"
#include "philox.h"

namespace {

void read_pair(const Napi::Object& object, const char* key, int64_t low,
               int* first, int* second) {
  if (!has(object, key)) return;
  const Napi::Array pair = array_of(object.Get(key), key);
  const std::string name(key);
  *first = static_cast<int>(integer_of(pair[0u], name + "[0]", low, 1 << 20));
  *second = static_cast<int>(integer_of(pair[1u], name + "[1]", low, 1 << 20));
}

birbs::Operation operation_of(const std::string& name,
                              const Napi::Object& attributes) {
  birbs::Operation operation;
  operation.kind = birbs::operation_kind(name);
  birbs::Window& window = operation.window;
  read_pair(attributes, "kernel", 1, &window.kernel_height,
            &window.kernel_width);
  read_pair(attributes, "stride", 1, &window.stride_height,
            &window.stride_width);
  read_pair(attributes, "dilation", 1, &window.dilation_height,
            &window.dilation_width);
  read_pair(attributes, "inputSize", 1, &operation.input_height,
            &operation.input_width);
  if (has(attributes, "padding")) {
    const Napi::Array sides = array_of(attributes.Get("padding"), "padding");
    int* targets[4] = {&window.pad_top, &window.pad_bottom, &window.pad_left,
                       &window.pad_right};
    for (uint32_t i = 0; i < 4; ++i) {
      *targets[i] = static_cast<int>(integer_of(
          sides[i], "padding[" + std::to_string(i) + "]", 0, 1 << 20));
    }
  }
  const auto read_float = [&](const char* key, float* number) {
    if (has(attributes, key)) {
      *number = static_cast<float>(number_of(attributes.Get(key), key));
    }
  };
  read_float("epsilon", &operation.epsilon);
  read_float("labelSmoothing", &operation.label_smoothing);
  read_float("rate", &operation.rate);
  const auto read_integer = [&](const char* key, int64_t high) -> int64_t {
    return has(attributes, key) ? integer_of(attributes.Get(key), key, 0, high)
                                : 0;
  };
  const int64_t largest = (int64_t{1} << 53) - 1;
  operation.seed = static_cast<uint64_t>(read_integer("seed", largest));
  operation.step = static_cast<uint64_t>(read_integer("step", largest));
  operation.stream = static_cast<uint32_t>(read_integer("stream", 65535));
  if (has(attributes, "groups")) {
    operation.groups = static_cast<int>(
        integer_of(attributes.Get("groups"), "groups", 1, 1 << 20));
  }
  if (has(attributes, "countIncludePad")) {
    operation.count_include_pad =
        boolean_of(attributes.Get("countIncludePad"), "countIncludePad");
  }
  if (has(attributes, "classWeights")) {
    operation.class_weights =
        floats_of(attributes.Get("classWeights"), "classWeights");
  }
  return operation;
}

// A system may promise memory that it does not have and end the process later:
// what is larger than all of it is refused. Twice: JavaScript gets a copy.
void check_memory(const birbs::Operation& operation,
                  const std::vector<birbs::TensorView>& inputs) {
  double bytes = 0;
  for (auto& shape : birbs::operation_shapes(operation, inputs)) {
    bytes += 2.0 * sizeof(float) *
             static_cast<double>(birbs::TensorView{std::move(shape)}.size());
  }
  const double all = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<double>(sysconf(_SC_PAGESIZE));
  if (bytes > all) throw std::bad_alloc();
}

Napi::Value tensor_list(Napi::Env env,
                        const std::vector<birbs::Tensor>& tensors) {
  auto list = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("shape", to_array(env, tensors[i].shape));
    object.Set("data", to_float32_array(env, tensors[i].values));
    list[static_cast<uint32_t>(i)] = object;
  }
  return list;
}

Napi::Object gpu_object(Napi::Env env, const birbs::GpuFacts& facts) {
  auto object = Napi::Object::New(env);
  object.Set("name", facts.name);
  object.Set("family", facts.family);
  object.Set("system", facts.system);
  object.Set("unifiedMemory", facts.unified_memory);
  object.Set("virtual", facts.virtual_device);
  object.Set("workingSetBytes", static_cast<double>(facts.working_set_bytes));
  return object;
}

Napi::Array name_list(Napi::Env env, const std::vector<std::string>& names) {
  auto list = Napi::Array::New(env, names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    list[static_cast<uint32_t>(i)] = Napi::String::New(env, names[i]);
  }
  return list;
}

struct Device {
  std::string name, description, unavailable;
  std::optional<birbs::GpuFacts> gpu;
  std::vector<std::string> probes;
};

Napi::Object device_object(Napi::Env env, const Device& device) {
  auto object = Napi::Object::New(env);
  const bool available = device.unavailable.empty();
  object.Set("name", device.name);
  object.Set("available", available);
  object.Set("description",
             available ? device.description : device.unavailable);
  if (device.gpu) object.Set("gpu", gpu_object(env, *device.gpu));
  if (!device.probes.empty()) {
    object.Set("probes", name_list(env, device.probes));
  }
  return object;
}

Answer find_devices() {
  std::vector<Device> found;
  for (birbs::Backend* backend : birbs::all_backends()) {
    found.push_back({backend->name(), backend->description(),
                     backend->unavailable(), backend->gpu(),
                     backend->probe_names()});
  }
  return [found](Napi::Env env) {
    auto list = Napi::Array::New(env, found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      list[static_cast<uint32_t>(i)] = device_object(env, found[i]);
    }
    return list;
  };
}

}  // namespace

Napi::Value devices(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    return addon_data(info.Env()).operations->answer(find_devices);
  });
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    birbs::Backend& backend = birbs::get_backend(string_of(info[0], "device"));
    const std::string question = string_of(info[1], "probe");
    return addon_data(info.Env())
        .operations->answer([&backend, question]() -> Answer {
          const birbs::ProbeAnswer found = backend.probe(question);
          if (!found.error.empty()) throw birbs::Error(found.error);
          return [found](Napi::Env env) {
            auto object = Napi::Object::New(env);
            object.Set("text", found.text);
            object.Set("asReliedOn", found.as_relied_on);
            return object;
          };
        });
  });
}

Napi::Value run_operation(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    birbs::Backend& backend = birbs::get_backend(string_of(info[0], "device"));
    const birbs::Operation operation = operation_of(
        string_of(info[1], "operation"), object_of(info[3], "attributes"));
    const Napi::Array list = array_of(info[2], "inputs");
    auto inputs = std::make_shared<std::vector<birbs::Tensor>>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      inputs->push_back(
          tensor_of(list[i], "inputs[" + std::to_string(i) + "]"));
    }
    return addon_data(info.Env())
        .operations->answer([&backend, operation, inputs]() -> Answer {
          if (!backend.unavailable().empty()) {
            throw birbs::Error(backend.unavailable());
          }
          std::vector<birbs::TensorView> views;
          for (const birbs::Tensor& input : *inputs) {
            views.push_back({input.shape, input.values.data()});
          }
          check_memory(operation, views);
          auto outputs = std::make_shared<std::vector<birbs::Tensor>>(
              backend.run(operation, views));
          return
              [outputs](Napi::Env env) { return tensor_list(env, *outputs); };
        });
  });
}

Napi::Value philox(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    const int64_t largest = (int64_t{1} << 53) - 1;
    const auto seed =
        static_cast<uint64_t>(integer_of(info[0], "seed", 0, largest));
    const auto stream =
        static_cast<uint32_t>(integer_of(info[1], "stream", 0, UINT32_MAX));
    const auto step =
        static_cast<uint64_t>(integer_of(info[2], "step", 0, largest));
    const auto count =
        static_cast<size_t>(integer_of(info[3], "count", 0, 1 << 28));
    return addon_data(info.Env())
        .operations->answer([seed, stream, step, count]() -> Answer {
          auto words = std::make_shared<std::vector<uint32_t>>(
              birbs::philox_words(seed, stream, step, count));
          return
              [words](Napi::Env env) { return to_uint32_array(env, *words); };
        });
  });
}
