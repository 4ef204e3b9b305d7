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

// Typed arrays of exactly `length` elements (-1: any length). Copies:
// JavaScript can free what it has handed over at any time, by transferring or
// resizing its buffer.
std::vector<uint8_t> bytes_of(const Napi::Value& value, const std::string& name,
                              int64_t length);
std::vector<int32_t> int32s_of(const Napi::Value& value,
                               const std::string& name, int64_t length);
std::vector<uint32_t> uint32s_of(const Napi::Value& value,
                                 const std::string& name, int64_t length);
std::vector<float> float32s_of(const Napi::Value& value,
                               const std::string& name, int64_t length);
std::vector<double> float64s_of(const Napi::Value& value,
                                const std::string& name, int64_t length);

// { shape, data }
birbs::Tensor tensor_of(const Napi::Value& value, const std::string& name);

// The Uint8Array that a call will fill: checked when it is given and again when
// it is filled, on the JavaScript thread both times.
void check_output(const Napi::Value& value, const std::string& name,
                  size_t length);
void fill_output(const Napi::Value& value, const std::string& name,
                 const std::vector<uint8_t>& bytes);

// Memory that cannot be had is an error here, where napi.h would end the
// process.
Napi::Float32Array to_float32_array(Napi::Env env,
                                    const std::vector<float>& values);
Napi::Float64Array to_float64_array(Napi::Env env,
                                    const std::vector<double>& values);
Napi::Uint8Array to_uint8_array(Napi::Env env,
                                const std::vector<uint8_t>& values);
Napi::Uint32Array to_uint32_array(Napi::Env env,
                                  const std::vector<uint32_t>& values);
Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& values);
