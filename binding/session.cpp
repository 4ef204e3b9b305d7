#include "session.h"

#include "addon.h"
#include "arguments.h"
#include "backend.h"
#include "native_object.h"
#include "plan.h"
#include "ranks.h"

namespace {

using birbs::Batch;
using birbs::Plan;
using birbs::Session;
using birbs::SessionOptions;
using birbs::StepResult;

// What a session's thread works on.
struct Host {
  SessionOptions options;
  Plan plan;
  std::unique_ptr<Session> session;

  ~Host() {
    // MPI may still write to sums that other ranks will never complete. The
    // process is about to end.
    if (options.collective && options.collective->failed()) session.release();
  }
};

// The images and labels of one call.
struct Given {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  birbs::Share share;
  std::vector<int32_t> whole_labels;  // of the share

  Batch batch() const {
    return {images.data(), labels.data(), static_cast<int>(labels.size()),
            share};
  }
};

birbs::Optimizer optimizer_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "optimizer");
  birbs::Optimizer optimizer;
  const std::string kind = string_of(object.Get("kind"), "optimizer.kind");
  if (kind == "sgd") {
    optimizer.kind = birbs::OptimizerKind::sgd;
  } else if (kind == "adam") {
    optimizer.kind = birbs::OptimizerKind::adam;
  } else if (kind == "adamw") {
    optimizer.kind = birbs::OptimizerKind::adamw;
  } else {
    throw Napi::TypeError::New(
        value.Env(),
        "Expected sgd, adam or adamw for optimizer.kind but "
        "received \"" +
            kind + "\"");
  }
  const auto read = [&](const char* key, double* number) {
    if (has(object, key)) {
      *number = number_of(object.Get(key), std::string("optimizer.") + key);
    }
  };
  read("momentum", &optimizer.momentum);
  read("beta1", &optimizer.beta1);
  read("beta2", &optimizer.beta2);
  read("epsilon", &optimizer.epsilon);
  read("weightDecay", &optimizer.weight_decay);
  if (has(object, "decayNormsAndBiases")) {
    optimizer.decay_norms_and_biases = boolean_of(
        object.Get("decayNormsAndBiases"), "optimizer.decayNormsAndBiases");
  }
  if (has(object, "nesterov")) {
    optimizer.nesterov =
        boolean_of(object.Get("nesterov"), "optimizer.nesterov");
  }
  return optimizer;
}

SessionOptions session_options_of(const Napi::Object& object) {
  SessionOptions options;
  options.network = birbs::parse_network(json_of(object.Get("network")));
  options.seed = static_cast<uint64_t>(
      integer_of(object.Get("seed"), "seed", 0, (int64_t{1} << 53) - 1));
  options.batch_size = static_cast<int>(
      integer_of(object.Get("batchSize"), "batchSize", 1, 65535));
  options.threads =
      static_cast<int>(integer_of(object.Get("threads"), "threads", 1, 1024));
  options.optimizer = optimizer_of(object.Get("optimizer"));
  if (has(object, "classWeights")) {
    options.class_weights =
        floats_of(object.Get("classWeights"), "classWeights");
  }
  if (has(object, "labelSmoothing")) {
    options.label_smoothing = static_cast<float>(
        number_of(object.Get("labelSmoothing"), "labelSmoothing"));
  }
  if (has(object, "clipNorm")) {
    options.clip_norm =
        static_cast<float>(number_of(object.Get("clipNorm"), "clipNorm"));
  }
  if (has(object, "precision")) {
    const std::string precision =
        string_of(object.Get("precision"), "precision");
    if (precision != "fp32" && precision != "fp16") {
      throw Napi::TypeError::New(
          object.Env(), "Expected fp32 or fp16 for precision but received \"" +
                            precision + "\"");
    }
    options.half_precision = precision == "fp16";
  }
  if (has(object, "ranks")) {
    options.collective = collective_of(object.Get("ranks"));
  }
  if (has(object, "syncBatchNorm")) {
    options.sync_batch_norm =
        boolean_of(object.Get("syncBatchNorm"), "syncBatchNorm");
  }
  if (has(object, "depthwise")) {
    const std::string route = string_of(object.Get("depthwise"), "depthwise");
    if (route != "groups" && route != "operations") {
      throw Napi::TypeError::New(
          object.Env(),
          "Expected groups or operations for depthwise but received \"" +
              route + "\"");
    }
    options.depthwise_operations = route == "operations";
  }
  return options;
}

birbs::Progress progress_of(const Napi::Object& state) {
  const auto count = [&](const char* key) {
    return static_cast<uint64_t>(integer_of(state.Get(key),
                                            std::string("state.") + key, 0,
                                            (int64_t{1} << 53) - 1));
  };
  birbs::Progress progress;
  progress.step = count("step");
  if (has(state, "skipped")) progress.skipped = count("skipped");
  if (has(state, "lossScale")) {
    progress.loss_scale = static_cast<float>(
        number_of(state.Get("lossScale"), "state.lossScale"));
  }
  if (has(state, "cleanSteps")) progress.clean_steps = count("cleanSteps");
  return progress;
}

std::shared_ptr<birbs::OptimizerState> state_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "state");
  auto state = std::make_shared<birbs::OptimizerState>();
  state->progress = progress_of(object);
  state->values = float32s_of(object.Get("values"), "state.values", -1);
  return state;
}

Napi::Object step_object(Napi::Env env, const StepResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("correct", result.correct);
  object.Set("imageLosses", to_float32_array(env, result.image_losses));
  object.Set("gradientNorm", result.gradient_norm);
  object.Set("deviceSeconds", result.device_seconds);
  if (result.exchange_seconds > 0) {
    object.Set("exchangeSeconds", result.exchange_seconds);
  }
  if (!result.notes.empty()) {
    object.Set("notes", to_float64_array(env, result.notes));
  }
  if (result.command_buffers > 0) {
    object.Set("hostSeconds", result.host_seconds);
    object.Set("commandBuffers", result.command_buffers);
    object.Set("unwatched", result.unwatched);
  }
  return object;
}

class SessionObject : public NativeObject<SessionObject, Host> {
 public:
  static constexpr const char* made_by = "createSession";
  static constexpr const char* disposed =
      "The session was disposed; make a new one with createSession";
  static Napi::Function constructor(Napi::Env env) {
    return addon_data(env).session_class.Value();
  }
  static Napi::Function define(Napi::Env env);

  explicit SessionObject(const Napi::CallbackInfo& info)
      : NativeObject<SessionObject, Host>(info) {
    set_memory(content().session->memory_bytes());
    info.This().As<Napi::Object>().Set(
        "parameters", parameter_list(info.Env(), content().plan));
  }

 private:
  Napi::Value train_step(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value features(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value get_parameters(const Napi::CallbackInfo& info);
  Napi::Value set_parameters(const Napi::CallbackInfo& info);
  Napi::Value get_optimizer_state(const Napi::CallbackInfo& info);
  Napi::Value set_optimizer_state(const Napi::CallbackInfo& info);
  Napi::Value restore(const Napi::CallbackInfo& info);

  std::shared_ptr<Given> given_of(const Napi::CallbackInfo& info,
                                  const Napi::Value& share) const;
  void take_share(const Napi::Object& share, Given& given) const;
};

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeSession",
      {
          InstanceMethod("trainStep", &SessionObject::train_step),
          InstanceMethod("predict", &SessionObject::predict),
          InstanceMethod("features", &SessionObject::features),
          InstanceMethod("gradients", &SessionObject::gradients),
          InstanceMethod("getParameters", &SessionObject::get_parameters),
          InstanceMethod("setParameters", &SessionObject::set_parameters),
          InstanceMethod("getOptimizerState",
                         &SessionObject::get_optimizer_state),
          InstanceMethod("setOptimizerState",
                         &SessionObject::set_optimizer_state),
          InstanceMethod("restore", &SessionObject::restore),
          InstanceMethod("dispose", &SessionObject::dispose),
      });
}

// { first, count, notes }: the labels are those of the whole batch.
void SessionObject::take_share(const Napi::Object& share, Given& given) const {
  given.whole_labels = std::move(given.labels);
  const auto whole = static_cast<int64_t>(given.whole_labels.size());
  if (whole < 1) {
    throw Napi::TypeError::New(share.Env(),
                               "Expected the labels of the whole batch but "
                               "received none");
  }
  const int64_t first = integer_of(share.Get("first"), "share.first", 0, whole);
  const int64_t count =
      integer_of(share.Get("count"), "share.count", 0, whole - first);
  given.share.first = static_cast<int>(first);
  given.share.labels = given.whole_labels.data();
  given.share.count = static_cast<int>(whole);
  given.share.idle = count == 0;
  if (has(share, "notes")) {
    given.share.notes = float64s_of(share.Get("notes"), "share.notes", -1);
  }
  const int32_t* own = given.whole_labels.data() + first;
  given.labels.assign(own, own + count);
  if (count == 0) given.labels = {given.whole_labels[0]};
}

std::shared_ptr<Given> SessionObject::given_of(const Napi::CallbackInfo& info,
                                               const Napi::Value& share) const {
  auto given = std::make_shared<Given>();
  given->labels = int32s_of(info[1], "labels", -1);
  if (!share.IsUndefined()) take_share(object_of(share, "share"), *given);
  const size_t largest = static_cast<size_t>(content().options.batch_size);
  const size_t count = given->labels.size();
  if (count < 1 || count > largest) {
    throw Napi::TypeError::New(
        info.Env(), "Expected 1 to " + std::to_string(largest) +
                        " labels (the session's batch size) but received " +
                        std::to_string(count));
  }
  given->images = bytes_of(
      info[0], "images",
      static_cast<int64_t>(count) * content().options.network.input.size());
  return given;
}

Napi::Value SessionObject::train_step(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto rate = static_cast<float>(number_of(info[2], "learningRate"));
    const auto given = given_of(info, info[3]);
    return run(info, [given, rate](Host& host, Reply reply) {
      // A device may read the batch until it is done.
      const auto done = [reply, given](StepResult result) {
        if (!result.error.empty()) {
          return reply.reject(result.error, result.code);
        }
        reply.resolve([result = std::move(result)](Napi::Env env) {
          return step_object(env, result);
        });
      };
      host.session->train_step(given->batch(), rate, done);
    });
  });
}

Napi::Value SessionObject::predict(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const int count = static_cast<int>(
        integer_of(info[1], "count", 1, content().options.batch_size));
    const auto images = std::make_shared<std::vector<uint8_t>>(bytes_of(
        info[0], "images", count * content().options.network.input.size()));
    return answer(info, [images, count](Host& host) -> Answer {
      auto logits = std::make_shared<std::vector<float>>(
          static_cast<size_t>(count) * host.options.network.classes);
      host.session->predict(images->data(), count, logits->data());
      return [logits](Napi::Env env) { return to_float32_array(env, *logits); };
    });
  });
}

Napi::Value SessionObject::features(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const int count = static_cast<int>(
        integer_of(info[1], "count", 1, content().options.batch_size));
    const auto images = std::make_shared<std::vector<uint8_t>>(bytes_of(
        info[0], "images", count * content().options.network.input.size()));
    const Plan& plan = content().plan;
    const int value = info[2].IsUndefined()
                          ? birbs::feature_value(plan)
                          : birbs::value_of(plan, string_of(info[2], "layer"));
    return answer(info, [images, count, value](Host& host) -> Answer {
      auto output = std::make_shared<std::vector<float>>(
          count * host.plan.shapes[value].size());
      host.session->activations(images->data(), count, value, output->data());
      return [output](Napi::Env env) { return to_float32_array(env, *output); };
    });
  });
}

Napi::Value SessionObject::gradients(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto given = given_of(info, info[2]);
    return answer(info, [given](Host& host) -> Answer {
      const Batch batch = given->batch();
      auto gradients =
          std::make_shared<std::vector<float>>(host.plan.parameter_count);
      auto logits = std::make_shared<std::vector<float>>(
          static_cast<size_t>(batch.count) * host.options.network.classes);
      const StepResult result =
          host.session->gradients(batch, gradients->data(), logits->data());
      if (!result.error.empty()) throw birbs::Error(result.error);
      return [result, gradients, logits](Napi::Env env) {
        Napi::Object object = step_object(env, result);
        object.Set("gradients", to_float32_array(env, *gradients));
        object.Set("logits", to_float32_array(env, *logits));
        return object;
      };
    });
  });
}

Napi::Value SessionObject::get_parameters(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    return answer(info, [](Host& host) -> Answer {
      auto values =
          std::make_shared<std::vector<float>>(host.plan.parameter_count);
      host.session->get_parameters(values->data());
      return [values](Napi::Env env) { return to_float32_array(env, *values); };
    });
  });
}

Napi::Value SessionObject::set_parameters(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto values = std::make_shared<std::vector<float>>(
        float32s_of(info[0], "parameters", content().plan.parameter_count));
    return answer(info, [values](Host& host) -> Answer {
      host.session->set_parameters(values->data());
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionObject::get_optimizer_state(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    return answer(info, [](Host& host) -> Answer {
      auto state = std::make_shared<birbs::OptimizerState>(
          host.session->get_optimizer_state());
      return [state](Napi::Env env) {
        auto object = Napi::Object::New(env);
        const birbs::Progress& progress = state->progress;
        object.Set("step", static_cast<double>(progress.step));
        object.Set("skipped", static_cast<double>(progress.skipped));
        object.Set("lossScale", progress.loss_scale);
        object.Set("cleanSteps", static_cast<double>(progress.clean_steps));
        object.Set("values", to_float32_array(env, state->values));
        return object;
      };
    });
  });
}

Napi::Value SessionObject::set_optimizer_state(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto state = state_of(info[0]);
    return answer(info, [state](Host& host) -> Answer {
      host.session->set_optimizer_state(*state);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value SessionObject::restore(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto values = std::make_shared<std::vector<float>>(
        float32s_of(info[0], "parameters", content().plan.parameter_count));
    const auto state = state_of(info[1]);
    return answer(info, [values, state](Host& host) -> Answer {
      host.session->restore(values->data(), *state);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

std::shared_ptr<Host> open_host(birbs::Backend& backend,
                                const SessionOptions& options) {
  if (!backend.unavailable().empty()) {
    throw birbs::Error(backend.unavailable());
  }
  if (options.half_precision && !backend.no_half_precision().empty()) {
    throw birbs::Error(backend.no_half_precision());
  }
  if (options.collective && !backend.no_ranks().empty()) {
    throw birbs::Error(backend.no_ranks());
  }
  auto host = std::make_shared<Host>();
  host->options = options;
  host->plan = birbs::plan_network(options.network, options.batch_size);
  host->session = backend.create_session(options);
  return host;
}

}  // namespace

Napi::Function session_class(Napi::Env env) {
  return SessionObject::define(env);
}

Napi::Value create_session(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = object_of(info[0], "options");
    birbs::Backend& backend =
        birbs::get_backend(string_of(object.Get("device"), "device"));
    return SessionObject::open(
        info.Env(), [&backend, options = session_options_of(object)] {
          return open_host(backend, options);
        });
  });
}
