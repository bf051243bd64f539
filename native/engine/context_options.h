#pragma once
#include <llama.h>

#include <string>

namespace streaming {

struct ContextOptions {
  int threads = 1;
  bool threads_may_change = false;  // fewer where that is faster: thread_choice.h
  int batch_size = 512;
  int cache_tokens = 0;  // 0: as many as the open sequences need
  int max_sequences = 8;
  bool queues = false;         // if there is no slot for another sequence: it waits, or cannot be opened
  std::string swap_folder;     // where swapped-out sequences are kept; empty: memory
  double unload_after_ms = 0;  // without work; 0: never
  ggml_type kv_type = GGML_TYPE_F16;
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
};

// The parameters that all contexts share, the engine's and others: at least so many cells, for so many sequences.
llama_context_params context_params(const ContextOptions& options, int cells, int ids);

}  // namespace streaming
