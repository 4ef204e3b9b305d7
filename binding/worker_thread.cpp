#include "worker_thread.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <unordered_set>
#include <utility>

#include "failure.h"

namespace {

void settle(Napi::Env env, Napi::Function, std::nullptr_t*,
            std::shared_ptr<Reply::Call>* call);

using Settle =
    Napi::TypedThreadSafeFunction<std::nullptr_t, std::shared_ptr<Reply::Call>,
                                  settle>;

Napi::Value error_of(Napi::Env env, const char* message, const char* code) {
  Napi::Error error = Napi::Error::New(env, message);
  if (code) error.Set("code", code);
  return error.Value();
}

struct Job {
  std::function<void(Reply)> work;
  Reply reply;
};

// The threads that were started from a JavaScript thread. process.exit() runs
// no clean-up of Node's on the main thread but ends in exit(), which destroys
// what is local to that thread before anything static: what still runs there
// would find the static objects of its libraries gone.
struct ThreadsFromHere {
  std::set<WorkerThread*> threads;
  std::function<void()> interrupt = [] {};
  ~ThreadsFromHere() {
    interrupt();
    for (WorkerThread* thread : threads) thread->join();
  }
};

thread_local ThreadsFromHere from_here;

}  // namespace

struct Reply::Call {
  explicit Call(Napi::Env env) : deferred(env) {}

  Napi::Promise::Deferred deferred;
  Napi::ObjectReference pin;
  std::shared_ptr<void> keep;
  std::weak_ptr<WorkerThread::Shared> shared;

  Answer answer;
  std::string error;
  const char* code = nullptr;  // of the error, where it has one
  bool answered = false;
  // What carries this to the JavaScript thread, made ahead: an answer must get
  // there when there is no memory any more.
  std::unique_ptr<std::shared_ptr<Call>> carrier;
};

struct WorkerThread::Shared {
  Settle settle;
  // Calls that wait for their answer. JavaScript thread only: a Call holds
  // references to JavaScript values, so it must also be emptied there.
  std::unordered_set<std::shared_ptr<Reply::Call>> open;

  std::mutex mutex;  // guards the rest, and what calls answer
  std::condition_variable changed;
  std::deque<Job> jobs;
  int running = 0;  // calls started and not settled
  bool stopping = false;

  void loop();
  void send(Reply::Call& call);  // under the mutex
  void receive(Napi::Env env, const std::shared_ptr<Reply::Call>& call);
};

void WorkerThread::Shared::loop() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return stopping || !jobs.empty(); });
    if (stopping) return;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    ++running;
    lock.unlock();
    try {
      job.work(job.reply);
    } catch (const std::exception& error) {
      job.reply.reject(error);
    } catch (...) {
      job.reply.reject(std::runtime_error("unknown native error"));
    }
    job.work = nullptr;  // frees what it captured, outside of the lock
    lock.lock();
  }
}

void WorkerThread::Shared::send(Reply::Call& call) {
  --running;
  changed.notify_all();
  if (stopping) return;
  if (settle.NonBlockingCall(call.carrier.get()) == napi_ok) {
    call.carrier.release();
  }
}

void WorkerThread::Shared::receive(Napi::Env env,
                                   const std::shared_ptr<Reply::Call>& held) {
  Reply::Call& call = *held;
  if (open.erase(held) == 0) return;
  if (open.empty()) settle.Unref(env);
  call.pin.Reset();
  // Gone only after the answer: it may own what the answer hands over.
  const std::shared_ptr<void> keep = std::move(call.keep);
  if (!call.error.empty()) {
    call.deferred.Reject(error_of(env, call.error.c_str(), call.code));
    return;
  }
  try {
    call.deferred.Resolve(call.answer(env));
  } catch (const Napi::Error& error) {
    call.deferred.Reject(error.Value());
  } catch (const std::exception& error) {
    call.deferred.Reject(
        error_of(env, birbs::message_of(error), birbs::code_of(error)));
  }
}

namespace {

void settle(Napi::Env env, Napi::Function, std::nullptr_t*,
            std::shared_ptr<Reply::Call>* carrier) {
  std::unique_ptr<std::shared_ptr<Reply::Call>> owned(carrier);
  if (static_cast<napi_env>(env) == nullptr) return;  // Node is going down
  Napi::HandleScope scope(env);
  try {
    if (auto shared = (*owned)->shared.lock()) shared->receive(env, *owned);
  } catch (const Napi::Error&) {
    // A worker thread of Node's is being terminated: its promises can no longer
    // be settled, and nobody waits for them.
  }
}

void stop_thread(void* thread) {
  from_here.interrupt();
  static_cast<WorkerThread*>(thread)->stop();
}

}  // namespace

void Reply::resolve(Answer answer) const {
  auto shared = call_->shared.lock();
  if (!shared) return;
  // Under the lock: stop() must not release the function meanwhile.
  std::lock_guard lock(shared->mutex);
  if (std::exchange(call_->answered, true)) return;
  call_->answer = std::move(answer);
  shared->send(*call_);
}

void Reply::reject(const std::exception& error) const {
  reject(birbs::message_of(error), birbs::code_of(error));
}

void Reply::reject(const std::string& error, const char* code) const {
  auto shared = call_->shared.lock();
  if (!shared) return;
  std::lock_guard lock(shared->mutex);
  if (std::exchange(call_->answered, true)) return;
  call_->error = error.empty() ? "unknown error" : error;
  call_->code = code;
  shared->send(*call_);
}

WorkerThread::WorkerThread(Napi::Env env)
    : env_(env), shared_(std::make_shared<Shared>()) {
  shared_->settle = Settle::New(env, "birbs", 0, 1);
  shared_->settle.Unref(env);
  // Added after the function above was made, so it runs before Node frees it.
  napi_add_env_cleanup_hook(env_, stop_thread, this);
  from_here.threads.insert(this);
}

WorkerThread::~WorkerThread() { stop(); }

void WorkerThread::before_end(std::function<void()> interrupt) {
  from_here.interrupt = std::move(interrupt);
}

void WorkerThread::stop() {
  if (from_here.threads.erase(this) == 0) return;
  napi_remove_env_cleanup_hook(env_, stop_thread, this);
  join();
  shared_->settle.Abort();
  const std::deque<Job> dropped = std::move(shared_->jobs);
  // An open call may keep the owner of this thread: from here on, locals only.
  const auto open = std::move(shared_->open);
  for (const auto& call : open) {
    call->pin.Reset();
    call->carrier.reset();
    const std::shared_ptr<void> keep = std::move(call->keep);
  }
}

void WorkerThread::join() {
  {
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    shared_->changed.wait(lock, [&] { return shared_->running == 0; });
  }
  if (thread_.joinable()) thread_.join();
}

Napi::Promise WorkerThread::run(std::function<void(Reply)> work,
                                Napi::Object pin, std::shared_ptr<void> keep) {
  auto call = std::make_shared<Reply::Call>(env_);
  std::lock_guard lock(shared_->mutex);
  if (shared_->stopping) return call->deferred.Promise();
  if (!thread_.joinable()) {
    thread_ = std::thread([shared = shared_] { shared->loop(); });
  }
  call->error.reserve(128);  // reporting that memory ran out must not allocate
  call->carrier = std::make_unique<std::shared_ptr<Reply::Call>>(call);
  call->keep = std::move(keep);
  call->shared = shared_;
  if (!pin.IsEmpty()) call->pin = Napi::Persistent(pin);
  shared_->jobs.push_back({std::move(work), Reply(call)});
  if (shared_->open.empty()) shared_->settle.Ref(env_);
  shared_->open.insert(call);
  shared_->changed.notify_all();
  return call->deferred.Promise();
}

Napi::Promise WorkerThread::answer(std::function<Answer()> work,
                                   Napi::Object pin,
                                   std::shared_ptr<void> keep) {
  return run([work = std::move(work)](Reply reply) { reply.resolve(work()); },
             std::move(pin), std::move(keep));
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
    return rejected(
        error_of(env, birbs::message_of(error), birbs::code_of(error)));
  }
}
