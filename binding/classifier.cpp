#include "classifier.h"

#include <memory>
#include <optional>

#include "addon.h"
#include "arguments.h"
#include "linear_classifier.h"

namespace {

struct Work {
  std::vector<float> features;
  std::vector<int32_t> labels;
  birbs::LabelledFeatures images;  // over these two
  birbs::FitOptions options;
  std::optional<birbs::LinearClassifier> start;
};

// On the heap: `images` points into it.
std::shared_ptr<Work> work_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_of(info[2], "options");
  auto work = std::make_shared<Work>();
  birbs::LabelledFeatures& images = work->images;
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
  work->options.l2 = number_of(options.Get("l2"), "l2");
  work->options.threads =
      static_cast<int>(integer_of(options.Get("threads"), "threads", 1, 1024));
  if (has(options, "start")) {
    const Napi::Object start = object_of(options.Get("start"), "start");
    work->start = {
        float32s_of(start.Get("weights"), "start.weights",
                    images.width * images.classes),
        float32s_of(start.Get("bias"), "start.bias", images.classes)};
  }
  work->labels = int32s_of(info[1], "labels", -1);
  images.count = static_cast<int64_t>(work->labels.size());
  work->features =
      float32s_of(info[0], "features", images.count * images.width);
  images.labels = work->labels.data();
  images.features = work->features.data();
  return work;
}

}  // namespace

Napi::Value fit_classifier(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    const auto work = work_of(info);
    return addon_data(info.Env()).operations->answer([work]() -> Answer {
      auto fit = std::make_shared<birbs::ClassifierFit>(birbs::fit_classifier(
          work->images, work->options, work->start ? &*work->start : nullptr));
      return [fit](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("weights", to_float32_array(env, fit->classifier.weights));
        object.Set("bias", to_float32_array(env, fit->classifier.bias));
        object.Set("loss", Napi::Number::New(env, fit->loss));
        object.Set("iterations", Napi::Number::New(env, fit->iterations));
        object.Set("converged", fit->converged);
        return object;
      };
    });
  });
}
