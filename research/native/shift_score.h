#pragma once
#include <functional>
#include <string>
#include <vector>

#include "llama/model.h"

namespace streaming {

// How applications on llama.cpp go beyond their context today: tokens leave, and the keys of those that stay are
// turned to new positions where they lie (llama_memory_seq_add, "K-shift").
struct ShiftScoring {
  enum Policy {
    shift,  // one token leaves for each that comes: StreamingLLM by K-shift
    half,   // half of the window leaves at once when it is full: llama.cpp's own context shift
  };
  Policy policy = shift;
  int sinks = 0;
  int window = 0;
  ggml_type kv_type = GGML_TYPE_F16;
  llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  int threads = 1;
};

struct ShiftScores {
  std::vector<double> nll;           // of each token but the first, in nats, given those before it
  std::vector<double> milliseconds;  // that its prediction took, the shift included
};

// Decodes `tokens` one after another. Before each is decoded the cache holds `sinks + window` tokens at most; it sees
// these and itself. `progress` gets the number of tokens decoded, at first 0, once a K-shift has been tried out.
// Throws Failure POLICY_UNAVAILABLE where llama.cpp has no K-shift for the model, before anything is decoded;
// INVALID_OPTION, WINDOW_TOO_LARGE, OUT_OF_MEMORY, DECODE_FAILED.
ShiftScores score_by_shift(const Model& model, const std::vector<Token>& tokens, const ShiftScoring& options,
                           const std::function<void(size_t)>& progress);

}  // namespace streaming
