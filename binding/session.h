#pragma once

#include <napi.h>

// createSession(options) of src/model/addon.ts.
Napi::Value create_session(const Napi::CallbackInfo& info);

// The JavaScript class, kept in the addon's data.
Napi::Function session_class(Napi::Env env);
