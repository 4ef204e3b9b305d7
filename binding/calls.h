#pragma once

#include <napi.h>

// devices(), runOperation(...) and philox(...) of src/model/addon.ts.
Napi::Value devices(const Napi::CallbackInfo& info);
Napi::Value run_operation(const Napi::CallbackInfo& info);
Napi::Value philox(const Napi::CallbackInfo& info);
