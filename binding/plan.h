#pragma once

#include <napi.h>

#include "description.h"

// A JavaScript value as birbs::Json: own enumerable properties; what JSON does
// not have becomes null, and undefined properties are left out.
birbs::Json json_of(const Napi::Value& value);

// planNetwork(description) of src/model/addon.ts.
Napi::Value plan_network(const Napi::CallbackInfo& info);

// The parameters of a plan as JavaScript gets them.
Napi::Array parameter_list(Napi::Env env, const birbs::Plan& plan);
