#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "operations.h"

// JavaScript values read into plain structs. Each throws Napi::TypeError with
// what was expected, for which name, and what came.

// A whole number from `low` to `high` (at most 2^53 - 1).
int64_t integer_of(const Napi::Value& value, const std::string& name,
                   int64_t low, int64_t high);
double number_of(const Napi::Value& value, const std::string& name);
std::string string_of(const Napi::Value& value, const std::string& name);
bool boolean_of(const Napi::Value& value, const std::string& name);
Napi::Object object_of(const Napi::Value& value, const std::string& name);
Napi::Array array_of(const Napi::Value& value, const std::string& name);
std::vector<float> floats_of(const Napi::Value& value, const std::string& name);

// Absent or undefined: nothing happens.
bool has(const Napi::Object& object, const char* name);

// Typed arrays of exactly `length` elements (-1: any length).
Napi::Uint8Array bytes_of(const Napi::Value& value, const std::string& name,
                          int64_t length);
Napi::Int32Array int32s_of(const Napi::Value& value, const std::string& name,
                           int64_t length);
Napi::Uint32Array uint32s_of(const Napi::Value& value, const std::string& name,
                             int64_t length);
Napi::Float32Array float32s_of(const Napi::Value& value,
                               const std::string& name, int64_t length);

// { shape, data }; the data is viewed, not copied.
birbs::TensorView tensor_of(const Napi::Value& value, const std::string& name);

Napi::Float32Array to_float32_array(Napi::Env env,
                                    const std::vector<float>& values);
Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& values);
