#include "classifier.h"

#include <memory>
#include <optional>

#include "addon.h"
#include "arguments.h"
#include "linear_classifier.h"
#include "native_object.h"

namespace {

birbs::LabelledFeatures images_of(const Napi::CallbackInfo& info,
                                  const Napi::Object& options) {
  birbs::LabelledFeatures images;
  images.classes = static_cast<int>(
      integer_of(options.Get("classes"), "classes", 2, 1 << 20));
  images.width = integer_of(options.Get("width"), "width", 1, 1 << 20);
  if (has(options, "classWeights")) {
    images.class_weights =
        floats_of(options.Get("classWeights"), "classWeights");
    if (images.class_weights.size() != static_cast<size_t>(images.classes)) {
      throw Napi::TypeError::New(info.Env(),
                                 "Expected one number a class for "
                                 "classWeights");
    }
  }
  images.labels = int32s_of(info[1], "labels", -1);
  images.features =
      float32s_of(info[0], "features",
                  static_cast<int64_t>(images.labels.size()) * images.width);
  return images;
}

struct Request {
  birbs::FitOptions options;
  std::optional<birbs::LinearClassifier> start;
};

class ClassifierObject
    : public NativeObject<ClassifierObject, birbs::ClassifierFitter> {
 public:
  static constexpr const char* made_by = "openClassifier";
  static constexpr const char* disposed =
      "The features were disposed; hand them over again with openClassifier";
  static Napi::Function constructor(Napi::Env env) {
    return addon_data(env).classifier_class.Value();
  }
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeClassifier",
                       {InstanceMethod("fit", &ClassifierObject::fit),
                        InstanceMethod("dispose", &ClassifierObject::dispose)});
  }

  explicit ClassifierObject(const Napi::CallbackInfo& info)
      : NativeObject<ClassifierObject, birbs::ClassifierFitter>(info) {
    const auto bytes = content().images().features.size() * sizeof(float);
    set_memory(static_cast<int64_t>(bytes));
  }

 private:
  Napi::Value fit(const Napi::CallbackInfo& info);
  std::shared_ptr<Request> request_of(const Napi::CallbackInfo& info) const;
};

std::shared_ptr<Request> ClassifierObject::request_of(
    const Napi::CallbackInfo& info) const {
  const Napi::Object options = object_of(info[0], "options");
  const birbs::LabelledFeatures& images = content().images();
  auto request = std::make_shared<Request>();
  request->options.l2 = number_of(options.Get("l2"), "l2");
  if (has(options, "leastGain")) {
    request->options.least_gain =
        number_of(options.Get("leastGain"), "leastGain");
  }
  if (has(options, "start")) {
    const Napi::Object start = object_of(options.Get("start"), "start");
    request->start = {
        float32s_of(start.Get("weights"), "start.weights",
                    images.width * images.classes),
        float32s_of(start.Get("bias"), "start.bias", images.classes)};
  }
  return request;
}

Napi::Value ClassifierObject::fit(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto work = [request = request_of(info)](
                          birbs::ClassifierFitter& fitter) -> Answer {
      auto fit = std::make_shared<birbs::ClassifierFit>(fitter.fit(
          request->options, request->start ? &*request->start : nullptr));
      return [fit](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("weights", to_float32_array(env, fit->classifier.weights));
        object.Set("bias", to_float32_array(env, fit->classifier.bias));
        object.Set("loss", Napi::Number::New(env, fit->loss));
        object.Set("iterations", Napi::Number::New(env, fit->iterations));
        object.Set("converged", fit->converged);
        return object;
      };
    };
    return answer(info, work);
  });
}

}  // namespace

Napi::Function classifier_class(Napi::Env env) {
  return ClassifierObject::define(env);
}

Napi::Value open_classifier(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return promise_of(env, [&]() -> Napi::Value {
    const Napi::Object options = object_of(info[2], "options");
    const int threads = static_cast<int>(
        integer_of(options.Get("threads"), "threads", 1, 1024));
    const auto images =
        std::make_shared<birbs::LabelledFeatures>(images_of(info, options));
    return ClassifierObject::open(env, [images, threads] {
      return std::make_shared<birbs::ClassifierFitter>(std::move(*images),
                                                       threads);
    });
  });
}
