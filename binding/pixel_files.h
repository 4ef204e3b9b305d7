#pragma once

#include <napi.h>

// openPixels(paths, threads) of src/model/addon.ts.
Napi::Value open_pixels(const Napi::CallbackInfo& info);

// removeUnusedPixels(path) of src/model/addon.ts.
Napi::Value remove_unused_pixels(const Napi::CallbackInfo& info);

// The JavaScript class, kept in the addon's data.
Napi::Function pixels_class(Napi::Env env);
