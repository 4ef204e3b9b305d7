#pragma once

#include <napi.h>

// openClassifier(features, labels, options): see src/model/addon.ts.
Napi::Value open_classifier(const Napi::CallbackInfo& info);

// The class behind it; kept in the addon's own data.
Napi::Function classifier_class(Napi::Env env);
