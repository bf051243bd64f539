#pragma once
#include <ggml-cpu.h>
#include <llama.h>

namespace streaming {

// The threads that one context computes on, made once: without a pool llama.cpp's CPU back end starts and ends its
// threads at every decode. They sleep between two decodes, and belong to the engine's thread. If the back end offers no
// pools there is none, and llama.cpp uses its default.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();  // after the contexts it was attached to
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void attach(llama_context* context) const;

 private:
  ggml_threadpool_t pool_ = nullptr;
  decltype(&ggml_threadpool_free) free_ = nullptr;
};

}  // namespace streaming
