#pragma once

#include <napi.h>

// fitClassifier(features, labels, options): see src/model/addon.ts.
Napi::Value fit_classifier(const Napi::CallbackInfo& info);
