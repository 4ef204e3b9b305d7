#pragma once

#include <napi.h>

#include <memory>

#include "collective.h"

// joinRanks() and findMpi() of src/model/addon.ts, and the class of what
// joinRanks gives.
Napi::Function ranks_class(Napi::Env env);
Napi::Value join_ranks(const Napi::CallbackInfo& info);
Napi::Value find_mpi(const Napi::CallbackInfo& info);

// What joinRanks gave; throws Napi::TypeError for anything else.
std::shared_ptr<birbs::Collective> collective_of(const Napi::Value& value);
