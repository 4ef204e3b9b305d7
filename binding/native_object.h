#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "worker_thread.h"

// A JavaScript object around native content that has a thread of its own: made
// there, used there, freed there. `Self` names its maker (made_by), its refusal
// once it is gone (disposed) and its class (constructor).
template <typename Self, typename Content>
class NativeObject : public Napi::ObjectWrap<Self> {
 public:
  explicit NativeObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Self>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw Napi::TypeError::New(info.Env(),
                                 std::string("Expected ") + Self::made_by +
                                     " to make this object, but found new");
    }
    const Opened* opened = info[0].As<Napi::External<Opened>>().Data();
    thread_ = opened->thread;
    content_ = opened->content;
  }
  ~NativeObject() override { release(); }

  // Promises the object around what `make` makes.
  static Napi::Value open(Napi::Env env,
                          std::function<std::shared_ptr<Content>()> make) {
    auto opened = std::make_shared<Opened>();
    opened->thread = std::make_shared<WorkerThread>(env);
    const auto work = [held = opened.get(), make = std::move(make)]() {
      held->content = make();
      return [held](Napi::Env answer_env) -> Napi::Value {
        return Self::constructor(answer_env)
            .New({Napi::External<Opened>::New(answer_env, held)});
      };
    };
    return opened->thread->answer(work, {}, opened);
  }

  // Frees the content once the queued calls have ended.
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    return promise_of(info.Env(), [&]() -> Napi::Value {
      if (disposed_) {
        auto deferred = Napi::Promise::Deferred::New(info.Env());
        deferred.Resolve(info.Env().Undefined());
        return deferred.Promise();
      }
      disposed_ = true;
      const auto free = [this, content = std::move(content_)]() mutable {
        content.reset();
        return [this](Napi::Env env) {
          release();
          return env.Undefined();
        };
      };
      return thread_->answer(free, info.This().As<Napi::Object>());
    });
  }

 protected:
  // Runs `body` unless the object was disposed.
  Napi::Value guarded(const Napi::CallbackInfo& info,
                      const std::function<Napi::Value()>& body) {
    return promise_of(info.Env(), [&]() -> Napi::Value {
      if (disposed_) throw Napi::Error::New(info.Env(), Self::disposed);
      return body();
    });
  }

  // The object stays until the promise of either is settled.
  Napi::Value run(const Napi::CallbackInfo& info,
                  std::function<void(Content&, Reply)> work) {
    return thread_->run([content = content_, work = std::move(work)](
                            Reply reply) { work(*content, std::move(reply)); },
                        info.This().As<Napi::Object>());
  }
  Napi::Value answer(const Napi::CallbackInfo& info,
                     std::function<Answer(Content&)> work,
                     std::shared_ptr<void> keep = nullptr) {
    return thread_->answer(
        [content = content_, work = std::move(work)] { return work(*content); },
        info.This().As<Napi::Object>(), std::move(keep));
  }

  const Content& content() const { return *content_; }

  // What V8 is to count as held by this object.
  void set_memory(int64_t bytes) {
    // Not through Napi, which throws: finalizers also run when Node goes down.
    int64_t total;
    napi_adjust_external_memory(this->Env(), bytes - memory_, &total);
    memory_ = bytes;
  }

 private:
  struct Opened {
    std::shared_ptr<WorkerThread> thread;
    std::shared_ptr<Content> content;
  };

  void release() {
    if (thread_) thread_->stop();
    thread_.reset();
    content_.reset();
    set_memory(0);
  }

  std::shared_ptr<WorkerThread> thread_;
  std::shared_ptr<Content> content_;
  int64_t memory_ = 0;
  bool disposed_ = false;
};
