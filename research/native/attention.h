#pragma once
#include <functional>
#include <vector>

#include "llama/model.h"

namespace streaming {

// What each layer attends to, averaged over its heads and over several texts of the same length.
struct AttentionMaps {
  int layers = 0;
  int length = 0;
  // Of layer l, token q, to token k: weights[(l * length + q) * length + k]. Each row sums to 1 over k <= q; where a
  // layer has no weights to see (a recurrent one), all its numbers are 0.
  std::vector<double> weights;
};

// Decodes texts of `length` tokens, which lie one after another in `tokens`, each from an empty cache, and reads the
// attention weights as llama.cpp computes them (after the softmax, without flash attention). `progress` gets the number
// of texts done. Throws Failure INVALID_OPTION, MODEL_UNSUPPORTED where no layer shows weights, OUT_OF_MEMORY,
// DECODE_FAILED.
AttentionMaps attention_maps(const Model& model, const std::vector<Token>& tokens, int length, int threads,
                             const std::function<void(size_t)>& progress);

}  // namespace streaming
