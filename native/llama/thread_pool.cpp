#include "llama/thread_pool.h"

#include "llama/llama_library.h"

namespace streaming {

ThreadPool::ThreadPool(int threads) {
  ggml_backend_dev_t device = nullptr;
  for (size_t i = 0; i < llama().ggml_backend_dev_count() && !device; i++) {
    const auto candidate = llama().ggml_backend_dev_get(i);
    if (llama().ggml_backend_dev_type(candidate) == GGML_BACKEND_DEVICE_TYPE_CPU) device = candidate;
  }
  if (!device) return;
  // Which library the CPU back end is depends on the CPU, so its functions are asked for, not linked.
  const auto registry = llama().ggml_backend_dev_backend_reg(device);
  const auto make = reinterpret_cast<decltype(&ggml_threadpool_new)>(
      llama().ggml_backend_reg_get_proc_address(registry, "ggml_threadpool_new"));
  free_ = reinterpret_cast<decltype(&ggml_threadpool_free)>(
      llama().ggml_backend_reg_get_proc_address(registry, "ggml_threadpool_free"));
  if (!make || !free_) return;
  auto params = llama().ggml_threadpool_params_default(threads);
  params.poll = 0;  // spinning between two decodes gains nothing that could be measured, and takes cores from others
  pool_ = make(&params);
}

ThreadPool::~ThreadPool() {
  if (pool_) free_(pool_);
}

void ThreadPool::attach(llama_context* context) const {
  if (pool_) llama().llama_attach_threadpool(context, pool_, pool_);
}

}  // namespace streaming
