#pragma once

#include <napi.h>

// devices(), probe(...), runOperation(...) and philox(...) of
// src/model/addon.ts.
Napi::Value devices(const Napi::CallbackInfo& info);
Napi::Value probe(const Napi::CallbackInfo& info);
Napi::Value run_operation(const Napi::CallbackInfo& info);
Napi::Value philox(const Napi::CallbackInfo& info);
