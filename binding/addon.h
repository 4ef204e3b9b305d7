#pragma once

#include <napi.h>

#include <memory>

#include "worker_thread.h"

// What the addon keeps for each Node environment (main or worker thread).
struct AddonData {
  Napi::FunctionReference session_class;
  Napi::FunctionReference pixels_class;
  Napi::FunctionReference ranks_class;
  Napi::FunctionReference classifier_class;
  bool exiting = false;                      // no thread is started any more
  std::unique_ptr<WorkerThread> operations;  // devices, runOperation, philox
};

AddonData& addon_data(Napi::Env env);
