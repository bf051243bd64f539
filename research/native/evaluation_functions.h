#pragma once
#include <llama.h>

// What of llama.cpp only the comparisons need. The package's own addon has none of it: it cannot call for a K-shift.
#define EVALUATION_FUNCTIONS(X) \
  X(llama_memory_seq_add)       \
  X(llama_memory_can_shift)     \
  X(llama_memory_clear) X(llama_model_rope_type) X(llama_model_quantize) X(llama_model_quantize_default_params)

namespace streaming {

struct EvaluationFunctions {
  // From the library that LlamaLibrary::open has opened. Throws Failure LIBRARY_MISMATCH.
  static const EvaluationFunctions& get();

#define X(function) decltype(&::function) function = nullptr;
  EVALUATION_FUNCTIONS(X)
#undef X
};

}  // namespace streaming
