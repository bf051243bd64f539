#pragma once
#include <algorithm>

namespace streaming {

// How much of a prompt may go into one batch while other conversations generate: so much that their next token comes
// after at most kMaxStall, or three times their usual time if that is more. Learned from the times of decodes. On the
// engine's thread.
class PrefillBudget {
 public:
  // `singles`: conversations that have one token in the batch already. Between 1 and `left` (0 where that is 0).
  int tokens_for_prompts(int singles, int left) const {
    if (singles == 0 || prompt_token_ms_ == 0) return left;
    const double may_take = std::max(kMaxStall, 3 * single_ms_) - single_ms_;
    return std::min(left, std::max(kMinTokens, static_cast<int>(may_take / prompt_token_ms_)));
  }

  // A batch of `tokens` tokens, `singles` of them of conversations that generate, took so many milliseconds.
  void observe(int singles, int tokens, double milliseconds) {
    const int prompt = tokens - singles;
    if (prompt == 0) follow(single_ms_, milliseconds);
    // A few sinks on the move say nothing about prompts.
    else if (prompt >= kMinTokens && milliseconds > single_ms_)
      follow(prompt_token_ms_, (milliseconds - (singles > 0 ? single_ms_ : 0)) / prompt);
  }

 private:
  static constexpr double kMaxStall = 60;  // milliseconds: still more tokens a second than one reads
  static constexpr int kMinTokens = 8;
  static void follow(double& average, double value) {
    average = average == 0 ? value : average + 0.2 * (value - average);
  }
  double single_ms_ = 0, prompt_token_ms_ = 0;
};

}  // namespace streaming
