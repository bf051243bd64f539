#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "llama_library.h"
#include "model.h"

namespace streaming {

struct SamplingOptions {
  float temperature = 0.8f;  // 0: greedy
  int top_k = 40;            // 0: off
  float top_p = 0.95f;       // 1: off
  float min_p = 0.05f;       // 0: off
  float typical_p = 1.0f;    // 1: off
  float repeat_penalty = 1.0f, frequency_penalty = 0.0f, presence_penalty = 0.0f;
  int penalty_tokens = 64;
  float dry_multiplier = 0.0f;  // 0: off
  float dry_base = 1.75f;
  int dry_allowed_length = 2;
  int dry_tokens = 1024;
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};
  uint32_t seed = 0;
};

// Chooses tokens by llama.cpp's own sampler chain. A draw is a function of the seed and of the token's index in the
// conversation, and penalties are functions of the tokens before it: so taking tokens back needs no snapshot, only
// replay(). Belongs to one generation, on the engine's thread.
class Sampler {
 public:
  Sampler(std::shared_ptr<const Model> model, const SamplingOptions& options);

  // How many of the conversation's last tokens the penalties look at: 0 or more.
  int lookback() const { return lookback_; }
  // Forgets all tokens and takes in these, the conversation's last ones.
  void replay(const std::vector<Token>& tokens);
  void accept(Token token);
  // `index`: tokens of the conversation before this one. Throws Failure DECODE_FAILED where the logits are no numbers.
  Token sample(const float* logits, int64_t index);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const { llama().llama_sampler_free(sampler); }
  };
  std::shared_ptr<const Model> model_;
  SamplingOptions options_;
  bool gather(const float* logits, int count);

  int lookback_ = 0;
  int wanted_ = 0;  // how many tokens the chain's first choice leaves; 0: it makes none, and looks at all of them
  std::vector<Token> special_;    // tokens whose logits the chain sets, whatever has been said
  std::deque<Token> history_;     // the last lookback_ tokens, whose logits the penalties change
  std::unique_ptr<llama_sampler, Free> chain_;
  // Reused from token to token.
  std::vector<llama_token_data> candidates_;
  std::vector<Token> changed_;
};

}  // namespace streaming
