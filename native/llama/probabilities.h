#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// The natural logarithm of the sum of the exponentials of all logits: what is taken from a logit to get its token's
// log-probability. In double.
double log_sum_exp(const float* logits, int count);

// What the model thought of a token before anything was ruled out or made less likely.
struct TokenProbability {
  Token token = 0;
  float log_probability = 0;
  std::vector<std::pair<Token, float>> likeliest;  // the likeliest tokens and their log-probabilities, best first
  size_t end = 0;                                  // bytes of text up to and with the token
};
TokenProbability token_probability(const float* logits, int count, Token token, int alternatives);

}  // namespace streaming
