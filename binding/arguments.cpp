#include "arguments.h"

#include <algorithm>
#include <cmath>
#include <new>

namespace {

std::string describe(const Napi::Value& value) {
  if (value.IsNumber() || value.IsBoolean() || value.IsNull()) {
    return value.ToString().Utf8Value();
  }
  if (value.IsString()) return "\"" + value.ToString().Utf8Value() + "\"";
  if (value.IsUndefined()) return "undefined";
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    return "a typed array of " + std::to_string(array.ElementLength()) +
           " elements of " + std::to_string(array.ElementSize()) + " bytes";
  }
  if (value.IsArray()) return "an array";
  return value.IsObject() ? "an object" : "a value of another type";
}

[[noreturn]] void refuse(const Napi::Value& value, const std::string& name,
                         const std::string& expected) {
  throw Napi::TypeError::New(value.Env(), "Expected " + expected + " for " +
                                              name + " but received " +
                                              describe(value));
}

template <typename Array>
Array typed_array_of(const Napi::Value& value, const std::string& name,
                     int64_t length, napi_typedarray_type type,
                     const char* type_name) {
  const std::string expected =
      std::string(type_name) +
      (length >= 0 ? " of " + std::to_string(length) + " elements" : "");
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != type) {
    refuse(value, name, expected);
  }
  const auto array = value.As<Array>();
  if (length >= 0 && array.ElementLength() != static_cast<size_t>(length)) {
    refuse(value, name, expected);
  }
  return array;
}

template <typename Array>
auto copy_of(const Array& array) {
  return std::vector(array.Data(), array.Data() + array.ElementLength());
}

Napi::Uint8Array uint8_array_of(const Napi::Value& value,
                                const std::string& name, int64_t length) {
  return typed_array_of<Napi::Uint8Array>(value, name, length, napi_uint8_array,
                                          "a Uint8Array");
}

Napi::Value make_typed_array(Napi::Env env, const char* constructor,
                             size_t length) {
  const auto count = Napi::Number::New(env, static_cast<double>(length));
  try {
    return env.Global().Get(constructor).As<Napi::Function>().New({count});
  } catch (const Napi::Error&) {
    throw std::bad_alloc();
  }
}

}  // namespace

int64_t integer_of(const Napi::Value& value, const std::string& name,
                   int64_t low, int64_t high) {
  const double number =
      value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= static_cast<double>(low) &&
        number <= static_cast<double>(high)) ||
      number != std::floor(number)) {
    refuse(value, name,
           "a whole number from " + std::to_string(low) + " to " +
               std::to_string(high));
  }
  return static_cast<int64_t>(number);
}

double number_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber() ||
      !std::isfinite(value.As<Napi::Number>().DoubleValue())) {
    refuse(value, name, "a finite number");
  }
  return value.As<Napi::Number>().DoubleValue();
}

std::string string_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) refuse(value, name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

bool boolean_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) refuse(value, name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object object_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) refuse(value, name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array array_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) refuse(value, name, "an array");
  return value.As<Napi::Array>();
}

std::vector<float> floats_of(const Napi::Value& value,
                             const std::string& name) {
  const Napi::Array array = array_of(value, name);
  std::vector<float> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    numbers.push_back(static_cast<float>(
        number_of(array[i], name + "[" + std::to_string(i) + "]")));
  }
  return numbers;
}

bool has(const Napi::Object& object, const char* name) {
  return !object.Get(name).IsUndefined();
}

std::vector<uint8_t> bytes_of(const Napi::Value& value, const std::string& name,
                              int64_t length) {
  return copy_of(uint8_array_of(value, name, length));
}

std::vector<int32_t> int32s_of(const Napi::Value& value,
                               const std::string& name, int64_t length) {
  return copy_of(typed_array_of<Napi::Int32Array>(
      value, name, length, napi_int32_array, "an Int32Array"));
}

std::vector<uint32_t> uint32s_of(const Napi::Value& value,
                                 const std::string& name, int64_t length) {
  return copy_of(typed_array_of<Napi::Uint32Array>(
      value, name, length, napi_uint32_array, "a Uint32Array"));
}

std::vector<float> float32s_of(const Napi::Value& value,
                               const std::string& name, int64_t length) {
  return copy_of(typed_array_of<Napi::Float32Array>(
      value, name, length, napi_float32_array, "a Float32Array"));
}

std::vector<double> float64s_of(const Napi::Value& value,
                                const std::string& name, int64_t length) {
  return copy_of(typed_array_of<Napi::Float64Array>(
      value, name, length, napi_float64_array, "a Float64Array"));
}

birbs::Tensor tensor_of(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = object_of(value, name);
  const Napi::Array shape = array_of(object.Get("shape"), name + ".shape");
  if (shape.Length() < 1 || shape.Length() > 4) {
    refuse(shape, name + ".shape", "one to four dimensions");
  }
  birbs::Tensor tensor;
  int64_t size = 1;
  for (uint32_t i = 0; i < shape.Length(); ++i) {
    const int64_t side = integer_of(
        shape[i], name + ".shape[" + std::to_string(i) + "]", 1, INT32_MAX);
    tensor.shape.push_back(side);
    size *= side;
    if (size > INT32_MAX) {
      refuse(shape, name + ".shape", "at most 2^31 - 1 elements");
    }
  }
  tensor.values = float32s_of(object.Get("data"), name + ".data", size);
  return tensor;
}

void check_output(const Napi::Value& value, const std::string& name,
                  size_t length) {
  uint8_array_of(value, name, static_cast<int64_t>(length));
}

void fill_output(const Napi::Value& value, const std::string& name,
                 const std::vector<uint8_t>& bytes) {
  Napi::Uint8Array output =
      uint8_array_of(value, name, static_cast<int64_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), output.Data());
}

Napi::Float32Array to_float32_array(Napi::Env env,
                                    const std::vector<float>& values) {
  auto array = typed_array_of<Napi::Float32Array>(
      make_typed_array(env, "Float32Array", values.size()), "an answer",
      static_cast<int64_t>(values.size()), napi_float32_array,
      "a Float32Array");
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Float64Array to_float64_array(Napi::Env env,
                                    const std::vector<double>& values) {
  auto array = typed_array_of<Napi::Float64Array>(
      make_typed_array(env, "Float64Array", values.size()), "an answer",
      static_cast<int64_t>(values.size()), napi_float64_array,
      "a Float64Array");
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Uint8Array to_uint8_array(Napi::Env env,
                                const std::vector<uint8_t>& values) {
  auto array =
      uint8_array_of(make_typed_array(env, "Uint8Array", values.size()),
                     "an answer", static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Uint32Array to_uint32_array(Napi::Env env,
                                  const std::vector<uint32_t>& values) {
  auto array = typed_array_of<Napi::Uint32Array>(
      make_typed_array(env, "Uint32Array", values.size()), "an answer",
      static_cast<int64_t>(values.size()), napi_uint32_array, "a Uint32Array");
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    array[static_cast<uint32_t>(i)] =
        Napi::Number::New(env, static_cast<double>(values[i]));
  }
  return array;
}
