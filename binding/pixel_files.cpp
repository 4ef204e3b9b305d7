#include "pixel_files.h"

#include "addon.h"
#include "arguments.h"
#include "pixels.h"
#include "worker_thread.h"

namespace {

struct Opened {
  std::shared_ptr<WorkerThread> thread;
  std::shared_ptr<birbs::PixelFiles> files;
  int threads = 1;
};

birbs::Augmentation augmentation_of(const Napi::Value& value) {
  const Napi::Object object = object_of(value, "augmentation");
  const int64_t largest = (int64_t{1} << 53) - 1;
  birbs::Augmentation augmentation;
  augmentation.seed = static_cast<uint64_t>(
      integer_of(object.Get("seed"), "augmentation.seed", 0, largest));
  augmentation.step = static_cast<uint64_t>(
      integer_of(object.Get("step"), "augmentation.step", 0, largest));
  augmentation.shift = static_cast<int>(
      integer_of(object.Get("shift"), "augmentation.shift", 0, 65535));
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

class PixelsObject : public Napi::ObjectWrap<PixelsObject> {
 public:
  explicit PixelsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<PixelsObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw Napi::TypeError::New(info.Env(),
                                 "Pixel files are opened by openPixels");
    }
    opened_ = *info[0].As<Napi::External<Opened>>().Data();
    auto self = info.This().As<Napi::Object>();
    self.Set("count", static_cast<double>(opened_.files->count()));
    self.Set("height", opened_.files->height());
    self.Set("width", opened_.files->width());
  }
  ~PixelsObject() override { release(); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativePixels",
                       {InstanceMethod("assemble", &PixelsObject::assemble),
                        InstanceMethod("dispose", &PixelsObject::dispose)});
  }

 private:
  Napi::Value assemble(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release() {
    if (opened_.thread) opened_.thread->stop();
    opened_ = {};
  }

  Opened opened_;
  bool disposed_ = false;
};

Napi::Value PixelsObject::assemble(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    if (disposed_) {
      throw Napi::Error::New(info.Env(),
                             "The pixel files were disposed; open them again "
                             "with openPixels");
    }
    const Napi::Uint32Array rows = uint32s_of(info[0], "rows", -1);
    const auto count = static_cast<int64_t>(rows.ElementLength());
    if (count > (1 << 20)) {
      throw Napi::TypeError::New(info.Env(), "Expected at most 1048576 rows");
    }
    Napi::Uint8Array output =
        bytes_of(info[1], "output", count * opened_.files->image_bytes());
    std::shared_ptr<birbs::Augmentation> augmentation;
    if (!info[2].IsUndefined()) {
      augmentation =
          std::make_shared<birbs::Augmentation>(augmentation_of(info[2]));
    }
    const uint32_t* first = rows.Data();
    uint8_t* target = output.Data();
    return opened_.thread->answer(
        {info.This().As<Napi::Object>(), info[0].As<Napi::Object>(),
         info[1].As<Napi::Object>()},
        [files = opened_.files, threads = opened_.threads, first, count, target,
         augmentation]() -> Answer {
          files->assemble(first, count, target, augmentation.get(), threads);
          return [](Napi::Env env) { return env.Undefined(); };
        });
  });
}

Napi::Value PixelsObject::dispose(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    if (disposed_) {
      auto deferred = Napi::Promise::Deferred::New(info.Env());
      deferred.Resolve(info.Env().Undefined());
      return deferred.Promise();
    }
    disposed_ = true;
    return opened_.thread->answer({info.This().As<Napi::Object>()},
                                  [this]() -> Answer {
                                    return [this](Napi::Env env) {
                                      release();
                                      return env.Undefined();
                                    };
                                  });
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
    auto opened = std::make_shared<Opened>();
    opened->threads = static_cast<int>(integer_of(info[1], "threads", 1, 1024));
    opened->thread = std::make_shared<WorkerThread>(env);
    const auto start = [held = opened.get(), paths]() -> Answer {
      held->files = std::make_shared<birbs::PixelFiles>(paths);
      return [held](Napi::Env answer_env) -> Napi::Value {
        return addon_data(answer_env)
            .pixels_class.New({Napi::External<Opened>::New(answer_env, held)});
      };
    };
    return opened->thread->answer({}, start, opened);
  });
}

Napi::Value remove_unused_pixels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return promise_of(env, [&]() -> Napi::Value {
    const std::string path = string_of(info[0], "path");
    return addon_data(env).operations->answer({}, [path]() -> Answer {
      const bool removed = birbs::remove_unused_pixels(path);
      return [removed](Napi::Env answer_env) -> Napi::Value {
        return Napi::Boolean::New(answer_env, removed);
      };
    });
  });
}
