#pragma once
#include <napi.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "addon/javascript_thread.h"
#include "addon/napi_values.h"
#include "embedder/embedder.h"

namespace streaming {

// Calls `work` on the embedder's thread; the promise gets its vectors or its Failure, and keeps the process alive.
template <class Work>
Napi::Value deliver(Napi::Env env, Embedder& embedder, Work work) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  auto thread = JavaScriptThread::make(env, "streaming-llm embeddings");
  embedder.start([deferred, thread, work = std::move(work)]() mutable {
    std::vector<std::vector<float>> vectors;
    std::optional<Failure> failure;
    try {
      vectors = work();
    } catch (const Failure& thrown) {
      failure = thrown;
    }
    thread->post([deferred, vectors = std::move(vectors), failure = std::move(failure)](Napi::Env at_call) {
      if (failure) {
        deferred.Reject(to_error(at_call, *failure).Value());
        return;
      }
      auto list = Napi::Array::New(at_call, vectors.size());
      for (uint32_t i = 0; i < vectors.size(); i++) {
        auto vector = Napi::Float32Array::New(at_call, vectors[i].size());
        std::copy(vectors[i].begin(), vectors[i].end(), vector.Data());
        list.Set(i, vector);
      }
      deferred.Resolve(list);
    });
    thread->close();
  });
  return deferred.Promise();
}

}  // namespace streaming
