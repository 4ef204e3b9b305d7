#include "worker_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_set>

namespace {

struct Settlement {
  std::shared_ptr<Reply::Call> call;
  Answer answer;
  std::string error;
};

void settle(Napi::Env env, Napi::Function, std::nullptr_t*,
            Settlement* settlement);

using Settle =
    Napi::TypedThreadSafeFunction<std::nullptr_t, Settlement, settle>;

struct Job {
  std::function<void(Reply)> work;
  Reply reply;
};

}  // namespace

struct Reply::Call {
  Napi::Promise::Deferred deferred;
  std::vector<Napi::ObjectReference> pins;
  std::shared_ptr<void> keep;
  std::weak_ptr<WorkerThread::Shared> shared;
};

struct WorkerThread::Shared {
  Settle settle;
  // Calls that wait for their answer. JavaScript thread only: a Call holds
  // references to JavaScript values, so it must also be emptied there.
  std::unordered_set<std::shared_ptr<Reply::Call>> open;

  std::mutex mutex;  // guards the rest
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool stopping = false;

  void loop();
  void send(const std::shared_ptr<Reply::Call>& call, Answer answer,
            std::string error);
  void receive(Napi::Env env, const Settlement& settlement);
};

void WorkerThread::Shared::loop() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return stopping || !jobs.empty(); });
    if (stopping) return;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    try {
      job.work(job.reply);
    } catch (const std::bad_alloc&) {
      job.reply.reject("out of memory: try a smaller batch or image size");
    } catch (const std::exception& error) {
      job.reply.reject(error.what());
    } catch (...) {
      job.reply.reject("unknown native error");
    }
    job.work = nullptr;  // frees what it captured, outside of the lock
    lock.lock();
  }
}

void WorkerThread::Shared::send(const std::shared_ptr<Reply::Call>& call,
                                Answer answer, std::string error) {
  // Under the lock: stop() must not release the function meanwhile.
  std::lock_guard lock(mutex);
  if (stopping) return;
  auto settlement = std::make_unique<Settlement>(
      Settlement{call, std::move(answer), std::move(error)});
  if (settle.NonBlockingCall(settlement.get()) == napi_ok) {
    settlement.release();
  }
}

void WorkerThread::Shared::receive(Napi::Env env,
                                   const Settlement& settlement) {
  Reply::Call& call = *settlement.call;
  if (open.erase(settlement.call) == 0) return;  // answered before
  if (open.empty()) settle.Unref(env);
  call.pins.clear();
  // Gone only after the answer: it may own what the answer hands over.
  const std::shared_ptr<void> keep = std::move(call.keep);
  if (!settlement.error.empty()) {
    call.deferred.Reject(Napi::Error::New(env, settlement.error).Value());
    return;
  }
  try {
    call.deferred.Resolve(settlement.answer(env));
  } catch (const Napi::Error& error) {
    call.deferred.Reject(error.Value());
  } catch (const std::exception& error) {
    call.deferred.Reject(Napi::Error::New(env, error.what()).Value());
  }
}

namespace {

void settle(Napi::Env env, Napi::Function, std::nullptr_t*,
            Settlement* settlement) {
  std::unique_ptr<Settlement> owned(settlement);
  if (static_cast<napi_env>(env) == nullptr) return;  // Node is going down
  Napi::HandleScope scope(env);
  try {
    if (auto shared = owned->call->shared.lock()) shared->receive(env, *owned);
  } catch (const Napi::Error&) {
    // A worker thread of Node's is being terminated: its promises can no longer
    // be settled, and nobody waits for them.
  }
}

void stop_thread(void* thread) { static_cast<WorkerThread*>(thread)->stop(); }

}  // namespace

void Reply::resolve(Answer answer) const {
  if (auto shared = call_->shared.lock()) {
    shared->send(call_, std::move(answer), "");
  }
}

void Reply::reject(const std::string& message) const {
  if (auto shared = call_->shared.lock()) {
    shared->send(call_, nullptr, message.empty() ? "unknown error" : message);
  }
}

WorkerThread::WorkerThread(Napi::Env env)
    : env_(env), shared_(std::make_shared<Shared>()) {
  shared_->settle = Settle::New(env, "birbs", 0, 1);
  shared_->settle.Unref(env);
  // Added after the function above was made, so it runs before Node frees it.
  napi_add_env_cleanup_hook(env_, stop_thread, this);
  thread_ = std::thread([shared = shared_] { shared->loop(); });
}

WorkerThread::~WorkerThread() { stop(); }

void WorkerThread::stop() {
  if (!thread_.joinable()) return;
  napi_remove_env_cleanup_hook(env_, stop_thread, this);
  std::deque<Job> dropped;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    dropped.swap(shared_->jobs);
    shared_->settle.Abort();
  }
  shared_->changed.notify_all();
  thread_.join();
  // An open call may keep the owner of this thread: from here on, locals only.
  const auto open = std::move(shared_->open);
  for (const auto& call : open) {
    call->pins.clear();
    const std::shared_ptr<void> keep = std::move(call->keep);
  }
}

Napi::Promise WorkerThread::run(const std::vector<Napi::Object>& pins,
                                std::function<void(Reply)> work,
                                std::shared_ptr<void> keep) {
  auto call = std::make_shared<Reply::Call>(Reply::Call{
      Napi::Promise::Deferred::New(env_), {}, std::move(keep), shared_});
  for (const Napi::Object& pin : pins) {
    call->pins.push_back(Napi::Persistent(pin));
  }
  if (shared_->open.empty()) shared_->settle.Ref(env_);
  shared_->open.insert(call);
  {
    std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back({std::move(work), Reply(call)});
  }
  shared_->changed.notify_one();
  return call->deferred.Promise();
}

Napi::Promise WorkerThread::answer(const std::vector<Napi::Object>& pins,
                                   std::function<Answer()> work,
                                   std::shared_ptr<void> keep) {
  return run(
      pins, [work = std::move(work)](Reply reply) { reply.resolve(work()); },
      std::move(keep));
}

Napi::Value promise_of(Napi::Env env,
                       const std::function<Napi::Value()>& body) {
  auto rejected = [&](Napi::Value reason) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(reason);
    return deferred.Promise();
  };
  try {
    return body();
  } catch (const Napi::Error& error) {
    return rejected(error.Value());
  } catch (const std::exception& error) {
    return rejected(Napi::TypeError::New(env, error.what()).Value());
  }
}
