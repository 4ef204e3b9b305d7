#include "ranks.h"

#include "addon.h"
#include "arguments.h"
#include "native_object.h"

namespace {

using birbs::Collective;

struct Ranks {
  std::shared_ptr<Collective> collective;
};

constexpr auto channel = Collective::Channel::control;

class RanksObject : public NativeObject<RanksObject, Ranks> {
 public:
  static constexpr const char* made_by = "joinRanks";
  static constexpr const char* disposed =
      "The ranks were left; a process joins them once";
  static Napi::Function constructor(Napi::Env env) {
    return addon_data(env).ranks_class.Value();
  }
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeRanks",
                       {InstanceMethod("sum", &RanksObject::sum),
                        InstanceMethod("broadcast", &RanksObject::broadcast),
                        InstanceMethod("gather", &RanksObject::gather),
                        InstanceMethod("fail", &RanksObject::fail),
                        InstanceMethod("leave", &RanksObject::leave)});
  }

  explicit RanksObject(const Napi::CallbackInfo& info)
      : NativeObject<RanksObject, Ranks>(info) {
    auto self = info.This().As<Napi::Object>();
    self.Set("rank", collective()->rank());
    self.Set("size", collective()->size());
    self.Set("library", collective()->library());
  }

  const std::shared_ptr<Collective>& collective() const {
    return content().collective;
  }

 private:
  Napi::Value sum(const Napi::CallbackInfo& info);
  Napi::Value broadcast(const Napi::CallbackInfo& info);
  Napi::Value gather(const Napi::CallbackInfo& info);
  Napi::Value fail(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);
};

Napi::Value RanksObject::sum(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto values = std::make_shared<std::vector<double>>(
        float64s_of(info[0], "values", -1));
    return answer(info, [values](Ranks& ranks) -> Answer {
      ranks.collective->sum(channel, values->data(),
                            static_cast<int64_t>(values->size()));
      return [values](Napi::Env env) { return to_float64_array(env, *values); };
    });
  });
}

Napi::Value RanksObject::broadcast(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto bytes =
        std::make_shared<std::vector<uint8_t>>(bytes_of(info[0], "bytes", -1));
    const int last = collective()->size() - 1;
    const int root = static_cast<int>(integer_of(info[1], "root", 0, last));
    return answer(info, [bytes, root](Ranks& ranks) -> Answer {
      ranks.collective->broadcast(channel, bytes->data(),
                                  static_cast<int64_t>(bytes->size()), root);
      return [bytes](Napi::Env env) { return to_uint8_array(env, *bytes); };
    });
  });
}

Napi::Value RanksObject::gather(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const auto bytes =
        std::make_shared<std::vector<uint8_t>>(bytes_of(info[0], "bytes", -1));
    return answer(info, [bytes](Ranks& ranks) -> Answer {
      auto all = std::make_shared<std::vector<uint8_t>>(
          bytes->size() * ranks.collective->size());
      ranks.collective->gather(channel, bytes->data(),
                               static_cast<int64_t>(bytes->size()),
                               all->data());
      return [all](Napi::Env env) { return to_uint8_array(env, *all); };
    });
  });
}

// At once: what waits on the thread of this object may wait for this.
Napi::Value RanksObject::fail(const Napi::CallbackInfo& info) {
  collective()->fail(string_of(info[0], "reason"));
  return info.Env().Undefined();
}

Napi::Value RanksObject::leave(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    return answer(info, [](Ranks& ranks) -> Answer {
      ranks.collective->leave();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

}  // namespace

Napi::Function ranks_class(Napi::Env env) { return RanksObject::define(env); }

Napi::Value join_ranks(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    return RanksObject::open(info.Env(), [] {
      auto ranks = std::make_shared<Ranks>();
      ranks->collective = birbs::open_collective();
      WorkerThread::before_end([collective = std::weak_ptr(ranks->collective)] {
        if (auto held = collective.lock()) held->interrupt();
      });
      return ranks;
    });
  });
}

Napi::Value find_mpi(const Napi::CallbackInfo& info) {
  return promise_of(info.Env(), [&]() -> Napi::Value {
    return addon_data(info.Env()).operations->answer([]() -> Answer {
      const birbs::MpiFound found = birbs::find_mpi();
      return [found](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("library", found.library);
        object.Set("path", found.path);
        object.Set("problem", found.problem);
        return object;
      };
    });
  });
}

std::shared_ptr<Collective> collective_of(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  if (value.IsObject() &&
      value.As<Napi::Object>().InstanceOf(RanksObject::constructor(env))) {
    return RanksObject::Unwrap(value.As<Napi::Object>())->collective();
  }
  throw Napi::TypeError::New(env, "Expected what joinRanks gives for ranks");
}
