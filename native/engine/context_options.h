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
  bool queues = false;         // where there is no place for another sequence: one waits, or cannot be opened
  std::string swap_folder;     // where sequences go that give up their place; empty: memory
  double unload_after_ms = 0;  // without work; 0: never
  ggml_type kv_type = GGML_TYPE_F16;
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
};

// What every context has, the engine's and others beside it: of so many cells at least, for so many sequences.
llama_context_params context_params(const ContextOptions& options, int cells, int ids);

}  // namespace streaming
