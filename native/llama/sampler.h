#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llama/constraint.h"
#include "llama/llama_library.h"
#include "llama/mirostat.h"
#include "llama/model.h"

namespace streaming {

struct SamplingOptions {
  float temperature = 0.8f;                                     // 0: greedy
  int top_k = 40;                                               // 0: off
  float top_p = 0.95f;                                          // 1: off
  float min_p = 0.05f;                                          // 0: off
  float typical_p = 1.0f;                                       // 1: off
  float top_n_sigma = 0.0f;                                     // 0: off
  float xtc_probability = 0.0f, xtc_threshold = 0.1f;           // 0: off
  float temperature_range = 0.0f, temperature_exponent = 1.0f;  // 0: the temperature is the same for all
  int mirostat = 0;                                             // 1 or 2: in place of what cuts off unlikely tokens
  float mirostat_tau = 5.0f, mirostat_eta = 0.1f;
  float adaptive_target = -1.0f, adaptive_decay = 0.9f;  // below 0: off
  std::vector<llama_logit_bias> bias;
  float repeat_penalty = 1.0f, frequency_penalty = 0.0f, presence_penalty = 0.0f;
  int penalty_tokens = 64;
  float dry_multiplier = 0.0f;  // 0: off
  float dry_base = 1.75f;
  int dry_allowed_length = 2;
  int dry_tokens = 1024;
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};
  uint32_t seed = 0;
  bool reproducible = false;  // the seed was chosen: the same one is to give the same reply
};

// Chooses tokens by llama.cpp's own sampler chain. A draw is a function of the seed and of the token's index in the
// conversation, and penalties are functions of the tokens before it: so taking tokens back needs no snapshot, only
// replay(). (Mirostat and adaptive-p learn from their own choices, from the reply's first on; what they draw is a
// function of the seed and of where that reply begins.) Belongs to one generation, on the engine's thread.
class Sampler {
 public:
  // `first`: the index in the conversation of the first token to be chosen.
  Sampler(std::shared_ptr<const Model> model, const SamplingOptions& options, int64_t first);

  // How many of the conversation's last tokens the penalties look at: 0 or more.
  int lookback() const { return lookback_; }
  // Forgets all tokens and takes in these, the conversation's last ones.
  void replay(const std::vector<Token>& tokens);
  void accept(Token token);
  // `index`: tokens of the conversation before this one; `constraint`: null where anything may come. Throws Failure
  // DECODE_FAILED where the logits are no numbers, or the constraint or the bias allows nothing.
  Token sample(const float* logits, int64_t index, Constraint* constraint);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const { llama().llama_sampler_free(sampler); }
  };
  std::shared_ptr<const Model> model_;
  SamplingOptions options_;
  void remember(Token token);
  void gather_all(const float* logits, int count);
  bool gather(const float* logits, int count);
  void keep_in_range(llama_token_data_array& array) const;
  Token choose(int64_t index, uint32_t salt);

  int lookback_ = 0;
  int top_count_ = 0;  // how many tokens the chain's first choice leaves; 0: it makes none, and looks at all of them
  std::vector<Token> special_;                        // tokens whose logits the chain sets, whatever has been said
  std::vector<Token> banned_;                         // of these, sorted
  std::deque<Token> history_;                         // the last lookback_ tokens, whose logits the penalties change
  std::unique_ptr<llama_sampler, Free> chain_;        // what changes logits: bias, penalties
  std::unique_ptr<llama_sampler, Free> truncation_;   // what leaves out tokens, but for those at random; null: greedy
  std::unique_ptr<llama_sampler, Free> temperature_;  // the rest of it; null: greedy
  bool chooses_ = false;                              // and it also chooses, or learns from what is chosen
  std::optional<Mirostat> mirostat_;                  // the first version of it
  // Reused from token to token.
  std::vector<llama_token_data> candidates_;
  std::vector<Token> changed_;
};

}  // namespace streaming
