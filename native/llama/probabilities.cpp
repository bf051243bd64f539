#include "llama/probabilities.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace streaming {

double log_sum_exp(const float* logits, int count) {
  const double max = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int i = 0; i < count; i++) sum += std::exp(static_cast<double>(logits[i]) - max);
  return max + std::log(sum);
}

TokenProbability token_probability(const float* logits, int count, Token token, int alternatives) {
  const double all = log_sum_exp(logits, count);
  const auto of = [&](Token one) { return static_cast<float>(logits[one] - all); };
  TokenProbability result{token, of(token), {}};
  std::vector<Token> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto end = tokens.begin() + std::min(alternatives, count);
  std::partial_sort(tokens.begin(), end, tokens.end(), [&](Token a, Token b) { return logits[a] > logits[b]; });
  for (auto at = tokens.begin(); at != end; ++at) result.likeliest.emplace_back(*at, of(*at));
  return result;
}

}  // namespace streaming
