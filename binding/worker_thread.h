#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

// What turns the result of native work into a JavaScript value, on the
// JavaScript thread.
using Answer = std::function<Napi::Value(Napi::Env)>;

// The one answer to one call: settles its promise, from any thread. Later
// answers to the same call are ignored.
class Reply {
 public:
  void resolve(Answer answer) const;
  void reject(const std::exception& error) const;
  // `code` as Node.js names it, or null.
  void reject(const std::string& error, const char* code) const;

  struct Call;
  explicit Reply(std::shared_ptr<Call> call) : call_(std::move(call)) {}

 private:
  std::shared_ptr<Call> call_;
};

// A thread that answers promises, one call after the other: libuv's pool stays
// free for image decoding. The event loop is kept alive only while a call is
// open.
//
// However the environment ends, running calls are waited for, queued ones are
// dropped, and the thread is joined before JavaScript or static objects are
// gone.
class WorkerThread {
 public:
  explicit WorkerThread(Napi::Env env);
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;

  // Runs `work`, which may answer now or later; a C++ exception rejects. `pin`
  // is kept from the collector until the promise is settled. `keep` lives until
  // then and dies on the JavaScript thread, as whatever owns a WorkerThread
  // must.
  Napi::Promise run(std::function<void(Reply)> work, Napi::Object pin = {},
                    std::shared_ptr<void> keep = nullptr);

  // The usual case: the work's own return value is the answer.
  Napi::Promise answer(std::function<Answer()> work, Napi::Object pin = {},
                       std::shared_ptr<void> keep = nullptr);

  // Ends the thread; calls still open are never settled, nor are later ones.
  // JavaScript thread only; twice is fine.
  void stop();

  // stop() where JavaScript is gone.
  void join();

  // What ends the waiting of running calls for other processes: called before
  // this JavaScript thread's end waits for them.
  static void before_end(std::function<void()> interrupt);

  struct Shared;

 private:
  napi_env env_;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

// Calls `body`; what it throws (wrong arguments) becomes a rejected promise.
Napi::Value promise_of(Napi::Env env, const std::function<Napi::Value()>& body);
