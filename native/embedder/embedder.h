#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/context_options.h"
#include "llama/batch.h"
#include "llama/model.h"
#include "llama/thread_pool.h"

namespace streaming {

// Turns texts into vectors by pooling the model's last hidden states (after the last norm). It has a context of its
// own, made when it is first needed, so that the engine's chats go on meanwhile. It has a thread of its own, one task
// at a time, which ends with the process where libuv's would keep it alive.
class Embedder {
 public:
  enum Pooling { mean, first, last };
  struct Request {
    std::vector<std::string> texts;
    Pooling pooling = mean;
    bool normalize = true;
    int max_tokens = 0;  // of one text, for which there is memory
  };

  Embedder(std::shared_ptr<Model> model, const ContextOptions& options);
  ~Embedder();  // as stop()

  // Runs `task`, which calls embed() or release() and passes on the result. On JavaScript's thread; waits for the task
  // before.
  void start(std::function<void()> task);
  // A vector for each text, in order. On a CPU it stops within one layer of the model once `aborted` is true. Throws
  // Failure TEXT_TOO_LONG, INVALID_OPTION for a text without tokens, TOKENIZE_FAILED, OUT_OF_MEMORY, DECODE_FAILED,
  // ABORTED, CLOSED.
  std::vector<std::vector<float>> embed(const Request& request, const std::atomic<bool>& aborted);
  // Frees the context until it is needed again.
  void release();
  // The task in progress ends with CLOSED, and no other starts. Idempotent. Any thread but its own.
  void stop();

 private:
  std::vector<Token> tokens_of(const Request& request, size_t index) const;
  void ensure_context(int cells, const Weights::Progress& progress);
  void decode(Batch& batch);

  std::shared_ptr<Model> model_;
  const ContextOptions options_;
  const int sequences_;  // texts that are decoded together at most
  std::atomic<bool> stopping_{false};

  std::thread thread_;  // of the latest task

  // The task's thread alone.
  const std::atomic<bool>* aborted_ = nullptr;
  std::shared_ptr<Weights> weights_;  // while there is a context
  std::unique_ptr<ThreadPool> pool_;
  llama_context* context_ = nullptr;
  int cells_ = 0;
};

}  // namespace streaming
