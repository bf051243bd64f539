#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace streaming {

// The way from other threads to the JavaScript thread of one environment, which may end at any time: a worker can be
// terminated. Its thread-safe function is freed then, even if it is still referenced, and calling it would use freed
// memory. Here every call is made under a mutex, which the function's finalizer takes first: from then on nothing is
// called.
class JavaScriptThread {
 public:
  using Task = std::function<void(Napi::Env)>;

  // JavaScript's thread. Keeps the process alive until unref() or close().
  static std::shared_ptr<JavaScriptThread> make(Napi::Env env, const char* name) {
    auto way = std::make_shared<JavaScriptThread>();
    auto* owned = new std::shared_ptr<JavaScriptThread>(way);
    if (napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1, owned, finalize,
                                        nullptr, run, &way->function_) != napi_ok) {
      delete owned;
      way->function_ = nullptr;  // the environment is ending: nothing will be posted
    }
    return way;
  }

  // Any thread. Once the environment has ended, or after close(), the task is destroyed without having run, on either
  // thread; so it must hold nothing that belongs to JavaScript.
  void post(Task task) {
    auto data = std::make_unique<Task>(std::move(task));
    std::lock_guard lock(mutex_);
    if (!function_) return;
    const auto status = napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking);
    if (status == napi_ok) (void)data.release();
    else if (status == napi_closing) function_ = nullptr;
  }

  // JavaScript's thread. Whether the process waits for what is posted.
  void ref(Napi::Env env) {
    std::lock_guard lock(mutex_);
    if (function_) napi_ref_threadsafe_function(env, function_);
  }
  void unref(Napi::Env env) {
    std::lock_guard lock(mutex_);
    if (function_) napi_unref_threadsafe_function(env, function_);
  }

  // Any thread. What has been posted still runs.
  void close() {
    std::lock_guard lock(mutex_);
    if (function_) napi_release_threadsafe_function(function_, napi_tsfn_release);
    function_ = nullptr;
  }

  // JavaScript's thread: called there when the environment ends before close(), or once all has run after it.
  void at_end(std::function<void()> call) { at_end_ = std::move(call); }

 private:
  static void finalize(napi_env, void* data, void*) {
    const std::unique_ptr<std::shared_ptr<JavaScriptThread>> owned(
        static_cast<std::shared_ptr<JavaScriptThread>*>(data));
    auto& way = **owned;
    {
      std::lock_guard lock(way.mutex_);
      way.function_ = nullptr;
    }
    if (way.at_end_) std::exchange(way.at_end_, nullptr)();
  }
  static void run(napi_env env, napi_value, void*, void* data) {
    const std::unique_ptr<Task> task(static_cast<Task*>(data));
    if (!env) return;  // it has ended
    try {
      (*task)(env);
    } catch (const Napi::Error&) {
      // A worker that is being terminated runs no JavaScript any more; and what a listener throws must not end the
      // process.
    }
  }

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // null: nothing is called any more
  std::function<void()> at_end_;
};

}  // namespace streaming
