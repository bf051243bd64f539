#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "embedder.h"
#include "napi_values.h"

namespace streaming {

// What the embedder's thread has made, on its way to the promise that waits for it, which keeps the process alive.
class Delivery {
 public:
  // On the embedder's thread: calls `work`, whose vectors or Failure the promise gets.
  template <class Work>
  static Napi::Value start(Napi::Env env, Embedder& embedder, Work work) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    auto way = Function::New(env, "streaming-llm embeddings", 0, 1);
    embedder.start([deferred, way, work = std::move(work)]() mutable {
      auto delivery = std::make_unique<Delivery>(deferred);
      try {
        delivery->vectors_ = work();
      } catch (const Failure& failure) {
        delivery->failure_ = failure;
      }
      if (way.NonBlockingCall(delivery.get()) != napi_ok) return;  // the environment is gone
      (void)delivery.release();
      way.Release();
    });
    return deferred.Promise();
  }
  explicit Delivery(const Napi::Promise::Deferred& deferred) : deferred_(deferred) {}

 private:
  static void arrive(Napi::Env env, Napi::Function, void*, Delivery* delivery) {
    const std::unique_ptr<Delivery> owned(delivery);
    if (!env) return;
    if (owned->failure_) {
      owned->deferred_.Reject(to_error(env, *owned->failure_).Value());
      return;
    }
    auto list = Napi::Array::New(env, owned->vectors_.size());
    for (uint32_t i = 0; i < owned->vectors_.size(); i++) {
      const auto& values = owned->vectors_[i];
      auto vector = Napi::Float32Array::New(env, values.size());
      std::copy(values.begin(), values.end(), vector.Data());
      list.Set(i, vector);
    }
    owned->deferred_.Resolve(list);
  }
  using Function = Napi::TypedThreadSafeFunction<void, Delivery, arrive>;
  Napi::Promise::Deferred deferred_;
  std::vector<std::vector<float>> vectors_;
  std::optional<Failure> failure_;
};

}  // namespace streaming
