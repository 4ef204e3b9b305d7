#include "pixel_files.h"

#include <optional>

#include "addon.h"
#include "arguments.h"
#include "native_object.h"
#include "pixels.h"

namespace {

struct Pixels {
  Pixels(const std::vector<std::string>& paths, int count)
      : files(paths), threads(count) {}

  birbs::PixelFiles files;
  int threads;
};

birbs::Augmentation augmentation_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "augmentation");
  const int64_t largest = (int64_t{1} << 53) - 1;
  birbs::Augmentation augmentation;
  augmentation.seed = static_cast<uint64_t>(
      integer_of(object.Get("seed"), "augmentation.seed", 0, largest));
  augmentation.step = static_cast<uint64_t>(
      integer_of(object.Get("step"), "augmentation.step", 0, largest));
  if (has(object, "first")) {
    augmentation.first = static_cast<uint32_t>(
        integer_of(object.Get("first"), "augmentation.first", 0, 65535));
  }
  augmentation.shift = static_cast<int>(
      integer_of(object.Get("shift"), "augmentation.shift", 0, 65535));
  const Napi::Value cutout = object.Get("cutout");
  if (!cutout.IsUndefined()) {
    augmentation.cutout =
        static_cast<int>(integer_of(cutout, "augmentation.cutout", 0, 65535));
  }
  const auto read = [&](const char* key) {
    return static_cast<float>(
        number_of(object.Get(key), std::string("augmentation.") + key));
  };
  augmentation.flip = read("flip");
  augmentation.brightness_probability = read("brightnessProbability");
  augmentation.brightness = read("brightness");
  augmentation.contrast_probability = read("contrastProbability");
  augmentation.contrast = read("contrast");
  return augmentation;
}

class PixelsObject : public NativeObject<PixelsObject, Pixels> {
 public:
  static constexpr const char* made_by = "openPixels";
  static constexpr const char* disposed =
      "The pixel files were disposed; open them again with openPixels";
  static Napi::Function constructor(Napi::Env env) {
    return addon_data(env).pixels_class.Value();
  }
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativePixels",
                       {InstanceMethod("assemble", &PixelsObject::assemble),
                        InstanceMethod("dispose", &PixelsObject::dispose)});
  }

  explicit PixelsObject(const Napi::CallbackInfo& info)
      : NativeObject<PixelsObject, Pixels>(info) {
    const birbs::PixelFiles& files = content().files;
    auto self = info.This().As<Napi::Object>();
    self.Set("count", static_cast<double>(files.count()));
    self.Set("height", files.height());
    self.Set("width", files.width());
  }

 private:
  Napi::Value assemble(const Napi::CallbackInfo& info);
};

Napi::Value PixelsObject::assemble(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const std::vector<uint32_t> rows = uint32s_of(info[0], "rows", -1);
    if (rows.size() > (1 << 20)) {
      throw Napi::TypeError::New(info.Env(), "Expected at most 1048576 rows");
    }
    std::optional<birbs::Augmentation> augmentation;
    if (!info[2].IsUndefined()) augmentation = augmentation_of(info[2]);
    const size_t size = rows.size() * content().files.image_bytes();
    check_output(info[1], "output", size);
    const auto output = std::make_shared<Napi::ObjectReference>(
        Napi::Persistent(info[1].As<Napi::Object>()));
    const auto work = [rows, augmentation, size,
                       target = output.get()](Pixels& pixels) -> Answer {
      auto bytes = std::make_shared<std::vector<uint8_t>>(size);
      pixels.files.assemble(
          rows.data(), static_cast<int64_t>(rows.size()), bytes->data(),
          augmentation ? &*augmentation : nullptr, pixels.threads);
      return [bytes, target](Napi::Env env) {
        fill_output(target->Value(), "output", *bytes);
        return env.Undefined();
      };
    };
    return answer(info, work, output);
  });
}

}  // namespace

Napi::Function pixels_class(Napi::Env env) { return PixelsObject::define(env); }

Napi::Value open_pixels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return promise_of(env, [&]() -> Napi::Value {
    const Napi::Array list = array_of(info[0], "paths");
    std::vector<std::string> paths;
    for (uint32_t i = 0; i < list.Length(); ++i) {
      paths.push_back(string_of(list[i], "paths[" + std::to_string(i) + "]"));
    }
    if (paths.empty()) {
      throw Napi::TypeError::New(env, "Expected at least one path for paths");
    }
    const int threads =
        static_cast<int>(integer_of(info[1], "threads", 1, 1024));
    return PixelsObject::open(env, [paths, threads] {
      return std::make_shared<Pixels>(paths, threads);
    });
  });
}

Napi::Value remove_unused_pixels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return promise_of(env, [&]() -> Napi::Value {
    const std::string path = string_of(info[0], "path");
    return addon_data(env).operations->answer([path]() -> Answer {
      const bool removed = birbs::remove_unused_pixels(path);
      return [removed](Napi::Env answer_env) -> Napi::Value {
        return Napi::Boolean::New(answer_env, removed);
      };
    });
  });
}
