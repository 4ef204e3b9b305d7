#include "plan.h"

#include <algorithm>

#include "arguments.h"

namespace {

using birbs::Json;

// Deeper and longer than any description: a cycle ends here.
constexpr int deepest = 8;
constexpr uint32_t longest = 100000;

Json convert(const Napi::Value& value, int depth) {
  if (depth > deepest) return {nullptr};
  if (value.IsBoolean()) return {value.As<Napi::Boolean>().Value()};
  if (value.IsNumber()) return {value.As<Napi::Number>().DoubleValue()};
  if (value.IsString()) return {value.As<Napi::String>().Utf8Value()};
  if (value.IsArray()) {
    const Napi::Array array = value.As<Napi::Array>();
    Json::Array elements;
    for (uint32_t i = 0; i < std::min(array.Length(), longest); ++i) {
      elements.push_back(convert(array[i], depth + 1));
    }
    return {std::move(elements)};
  }
  if (!value.IsObject() || value.IsFunction()) return {nullptr};
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  Json::Object members;
  for (uint32_t i = 0; i < std::min(keys.Length(), longest); ++i) {
    const Napi::Value key = keys[i];
    const Napi::Value member = object.Get(key);
    if (member.IsUndefined()) continue;
    members.push_back({key.ToString().Utf8Value(), convert(member, depth + 1)});
  }
  return {std::move(members)};
}

Napi::Object shape_object(Napi::Env env, const birbs::Shape& shape) {
  auto object = Napi::Object::New(env);
  object.Set("channels", shape.channels);
  object.Set("height", shape.height);
  object.Set("width", shape.width);
  object.Set("flat", shape.flat);
  return object;
}

Napi::Object plan_object(Napi::Env env, const birbs::Plan& plan) {
  auto layers = Napi::Array::New(env, plan.shapes.size());
  for (size_t i = 0; i < plan.shapes.size(); ++i) {
    layers[static_cast<uint32_t>(i)] = shape_object(env, plan.shapes[i]);
  }
  auto object = Napi::Object::New(env);
  object.Set("layers", layers);
  object.Set("parameters", parameter_list(env, plan));
  object.Set("multiplyAdds", to_array(env, plan.multiply_adds));
  return object;
}

}  // namespace

birbs::Json json_of(const Napi::Value& value) { return convert(value, 0); }

Napi::Value plan_network(const Napi::CallbackInfo& info) {
  try {
    const birbs::Network network = birbs::parse_network(json_of(info[0]));
    return plan_object(info.Env(), birbs::plan_network(network, 1));
  } catch (const birbs::Error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Array parameter_list(Napi::Env env, const birbs::Plan& plan) {
  auto list = Napi::Array::New(env, plan.parameters.size());
  for (size_t i = 0; i < plan.parameters.size(); ++i) {
    const birbs::Parameter& parameter = plan.parameters[i];
    auto object = Napi::Object::New(env);
    object.Set("name", parameter.name);
    object.Set("shape", to_array(env, parameter.shape));
    object.Set("offset", static_cast<double>(parameter.offset));
    object.Set("size", static_cast<double>(parameter.size));
    object.Set("trainable", parameter.trainable);
    list[static_cast<uint32_t>(i)] = object;
  }
  return list;
}
