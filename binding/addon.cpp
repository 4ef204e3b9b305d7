#include "addon.h"

#include "calls.h"
#include "classifier.h"
#include "pixel_files.h"
#include "plan.h"
#include "ranks.h"
#include "session.h"

AddonData& addon_data(Napi::Env env) {
  return *env.GetInstanceData<AddonData>();
}

// What JavaScript sees; typed by hand in src/model/addon.ts.
static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData;
  env.SetInstanceData(data);
  data->session_class = Napi::Persistent(session_class(env));
  data->pixels_class = Napi::Persistent(pixels_class(env));
  data->ranks_class = Napi::Persistent(ranks_class(env));
  data->classifier_class = Napi::Persistent(classifier_class(env));
  data->operations = std::make_unique<WorkerThread>(env);

  exports.Set("devices", Napi::Function::New(env, devices));
  exports.Set("createSession", Napi::Function::New(env, create_session));
  exports.Set("runOperation", Napi::Function::New(env, run_operation));
  exports.Set("openPixels", Napi::Function::New(env, open_pixels));
  exports.Set("removeUnusedPixels",
              Napi::Function::New(env, remove_unused_pixels));
  exports.Set("openClassifier", Napi::Function::New(env, open_classifier));
  exports.Set("probe", Napi::Function::New(env, probe));
  exports.Set("planNetwork", Napi::Function::New(env, plan_network));
  exports.Set("joinRanks", Napi::Function::New(env, join_ranks));
  exports.Set("findMpi", Napi::Function::New(env, find_mpi));
  exports.Set("philox", Napi::Function::New(env, philox));
  return exports;
}

NODE_API_MODULE(birbs, init)
