#include "session.h"

#include "addon.h"
#include "arguments.h"
#include "backend.h"
#include "description.h"
#include "worker_thread.h"

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
  if (has(object, "nesterov")) {
    optimizer.nesterov =
        boolean_of(object.Get("nesterov"), "optimizer.nesterov");
  }
  return optimizer;
}

SessionOptions session_options_of(const Napi::Object& object) {
  SessionOptions options;
  options.network = network_of(object.Get("network"));
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

Napi::Object step_object(Napi::Env env, const StepResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("correct", result.correct);
  object.Set("imageLosses", to_float32_array(env, result.image_losses));
  object.Set("gradientNorm", result.gradient_norm);
  object.Set("deviceSeconds", result.device_seconds);
  return object;
}

Napi::Array parameter_list(Napi::Env env, const Plan& plan) {
  auto list = Napi::Array::New(env, plan.parameters.size());
  for (size_t i = 0; i < plan.parameters.size(); ++i) {
    const birbs::Parameter& parameter = plan.parameters[i];
    auto object = Napi::Object::New(env);
    object.Set("name", parameter.name);
    object.Set("shape", to_array(env, parameter.shape));
    object.Set("offset", static_cast<double>(parameter.offset));
    object.Set("size", static_cast<double>(parameter.size));
    object.Set("trainable", parameter.trainable);
    list[static_cast<uint32_t>(i)] = object;
  }
  return list;
}

// Held by the JavaScript object until it is handed to the class.
struct Opened {
  std::shared_ptr<WorkerThread> thread;
  std::shared_ptr<Host> host;
};

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  explicit SessionObject(const Napi::CallbackInfo& info);
  ~SessionObject() override { release(Env()); }

  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value train_step(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value get_parameters(const Napi::CallbackInfo& info);
  Napi::Value set_parameters(const Napi::CallbackInfo& info);
  Napi::Value get_optimizer_state(const Napi::CallbackInfo& info);
  Napi::Value set_optimizer_state(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  // Runs `body` unless the session was disposed.
  Napi::Value guarded(const Napi::CallbackInfo& info,
                      const std::function<Napi::Value()>& body);
  Batch batch_of(const Napi::CallbackInfo& info) const;
  void release(Napi::Env env);

  std::shared_ptr<WorkerThread> thread_;
  std::shared_ptr<Host> host_;
  int64_t memory_ = 0;
  bool disposed_ = false;
};

SessionObject::SessionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionObject>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(),
                               "Sessions are made by createSession");
  }
  const Opened* opened = info[0].As<Napi::External<Opened>>().Data();
  thread_ = opened->thread;
  host_ = opened->host;
  memory_ = host_->session->memory_bytes();
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), memory_);
  info.This().As<Napi::Object>().Set("parameters",
                                     parameter_list(info.Env(), host_->plan));
}

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeSession",
      {
          InstanceMethod("trainStep", &SessionObject::train_step),
          InstanceMethod("predict", &SessionObject::predict),
          InstanceMethod("gradients", &SessionObject::gradients),
          InstanceMethod("getParameters", &SessionObject::get_parameters),
          InstanceMethod("setParameters", &SessionObject::set_parameters),
          InstanceMethod("getOptimizerState",
                         &SessionObject::get_optimizer_state),
          InstanceMethod("setOptimizerState",
                         &SessionObject::set_optimizer_state),
          InstanceMethod("dispose", &SessionObject::dispose),
      });
}

Napi::Value SessionObject::guarded(const Napi::CallbackInfo& info,
                                   const std::function<Napi::Value()>& body) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    if (disposed_) {
      throw Napi::Error::New(info.Env(),
                             "The session was disposed; make a new one with "
                             "createSession");
    }
    return body();
  });
}

Batch SessionObject::batch_of(const Napi::CallbackInfo& info) const {
  Batch batch;
  const Napi::Int32Array labels = int32s_of(info[1], "labels", -1);
  const size_t largest = static_cast<size_t>(host_->options.batch_size);
  if (labels.ElementLength() < 1 || labels.ElementLength() > largest) {
    throw Napi::TypeError::New(
        info.Env(), "Expected 1 to " + std::to_string(largest) +
                        " labels (the session's batch size) but received " +
                        std::to_string(labels.ElementLength()));
  }
  batch.count = static_cast<int>(labels.ElementLength());
  batch.labels = labels.Data();
  batch.images = bytes_of(info[0], "images",
                          batch.count * host_->options.network.input.size())
                     .Data();
  return batch;
}

Napi::Value SessionObject::train_step(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Batch batch = batch_of(info);
    const double rate = number_of(info[2], "learningRate");
    return thread_->run(
        {info.This().As<Napi::Object>(), info[0].As<Napi::Object>(),
         info[1].As<Napi::Object>()},
        [host = host_, batch, rate](Reply reply) {
          host->session->train_step(
              batch, static_cast<float>(rate), [reply](StepResult result) {
                if (!result.error.empty()) return reply.reject(result.error);
                reply.resolve([result = std::move(result)](Napi::Env env) {
                  return step_object(env, result);
                });
              });
        });
  });
}

Napi::Value SessionObject::predict(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const int count = static_cast<int>(
        integer_of(info[1], "count", 1, host_->options.batch_size));
    const uint8_t* images =
        bytes_of(info[0], "images", count * host_->options.network.input.size())
            .Data();
    return thread_->answer(
        {info.This().As<Napi::Object>(), info[0].As<Napi::Object>()},
        [host = host_, images, count]() -> Answer {
          auto logits = std::make_shared<std::vector<float>>(
              static_cast<size_t>(count) * host->options.network.classes);
          host->session->predict(images, count, logits->data());
          return [logits](Napi::Env env) {
            return to_float32_array(env, *logits);
          };
        });
  });
}

Napi::Value SessionObject::gradients(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Batch batch = batch_of(info);
    return thread_->answer(
        {info.This().As<Napi::Object>(), info[0].As<Napi::Object>(),
         info[1].As<Napi::Object>()},
        [host = host_, batch]() -> Answer {
          auto gradients =
              std::make_shared<std::vector<float>>(host->plan.parameter_count);
          auto logits = std::make_shared<std::vector<float>>(
              static_cast<size_t>(batch.count) * host->options.network.classes);
          const StepResult result = host->session->gradients(
              batch, gradients->data(), logits->data());
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
    return thread_->answer(
        {info.This().As<Napi::Object>()}, [host = host_]() -> Answer {
          auto values =
              std::make_shared<std::vector<float>>(host->plan.parameter_count);
          host->session->get_parameters(values->data());
          return [values](Napi::Env env) {
            return to_float32_array(env, *values);
          };
        });
  });
}

Napi::Value SessionObject::set_parameters(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const float* values =
        float32s_of(info[0], "parameters", host_->plan.parameter_count).Data();
    return thread_->answer(
        {info.This().As<Napi::Object>(), info[0].As<Napi::Object>()},
        [host = host_, values]() -> Answer {
          host->session->set_parameters(values);
          return [](Napi::Env env) { return env.Undefined(); };
        });
  });
}

Napi::Value SessionObject::get_optimizer_state(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    return thread_->answer(
        {info.This().As<Napi::Object>()}, [host = host_]() -> Answer {
          auto state = std::make_shared<birbs::OptimizerState>(
              host->session->get_optimizer_state());
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
    const Napi::Object object = object_of(info[0], "state");
    auto state = std::make_shared<birbs::OptimizerState>();
    state->progress = progress_of(object);
    const Napi::Float32Array values =
        float32s_of(object.Get("values"), "state.values", -1);
    state->values.assign(values.Data(), values.Data() + values.ElementLength());
    return thread_->answer(
        {info.This().As<Napi::Object>()}, [host = host_, state]() -> Answer {
          host->session->set_optimizer_state(*state);
          return [](Napi::Env env) { return env.Undefined(); };
        });
  });
}

Napi::Value SessionObject::dispose(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    if (disposed_) {
      auto deferred = Napi::Promise::Deferred::New(info.Env());
      deferred.Resolve(info.Env().Undefined());
      return deferred.Promise();
    }
    disposed_ = true;
    return thread_->answer({info.This().As<Napi::Object>()},
                           [this, host = host_]() -> Answer {
                             host->session.reset();
                             return [this](Napi::Env env) {
                               release(env);
                               return env.Undefined();
                             };
                           });
  });
}

void SessionObject::release(Napi::Env env) {
  if (thread_) thread_->stop();
  thread_.reset();
  host_.reset();
  if (memory_ != 0) {
    // Not through Napi, which throws: finalizers also run when Node goes down.
    int64_t total;
    napi_adjust_external_memory(env, -memory_, &total);
  }
  memory_ = 0;
}

}  // namespace

Napi::Function session_class(Napi::Env env) {
  return SessionObject::define(env);
}

Napi::Value create_session(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return promise_of(env, [&]() -> Napi::Value {
    const Napi::Object object = object_of(info[0], "options");
    birbs::Backend& backend =
        birbs::get_backend(string_of(object.Get("device"), "device"));
    auto opened = std::make_shared<Opened>();
    opened->host = std::make_shared<Host>();
    opened->host->options = session_options_of(object);
    opened->thread = std::make_shared<WorkerThread>(env);
    const auto start = [held = opened.get(), &backend]() -> Answer {
      Host& host = *held->host;
      if (!backend.unavailable().empty()) {
        throw birbs::Error(backend.unavailable());
      }
      if (host.options.half_precision && !backend.no_half_precision().empty()) {
        throw birbs::Error(backend.no_half_precision());
      }
      host.plan =
          birbs::plan_network(host.options.network, host.options.batch_size);
      host.session = backend.create_session(host.options);
      return [held](Napi::Env answer_env) -> Napi::Value {
        return addon_data(answer_env)
            .session_class.New({Napi::External<Opened>::New(answer_env, held)});
      };
    };
    return opened->thread->answer({}, start, opened);
  });
}
