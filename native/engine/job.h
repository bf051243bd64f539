#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/token_stream.h"
#include "llama/sampler.h"
#include "support/tokens.h"

namespace streaming {

// What is asked of a sequence: one at a time.
struct Job {
  enum Kind {
    append,
    add,  // as append, but its tokens wait, to be decoded with the next job
    score,
    generate,
    rebase,
    cut,            // forgets the tokens of the conversation behind the first `keep`
    replace_sinks,  // by `tokens`
    look,           // its finish tells all tokens that are kept
    save,           // its finish tells all that a sequence of the same kind needs to be as this one
    restore,        // the opposite, for a sequence that is empty
  } kind;
  std::vector<Token> tokens;   // to be added first; for score, to be scored
  std::vector<int> turns;      // where among them turns begin
  int64_t keep = 0;            // cut: tokens of the conversation that stay
  std::vector<uint8_t> state;  // restore: what save told ...
  bool tokens_alone = false;   // ... of which the cells are of no use
  double priority = 0;         // who comes first where several wait for a place in the cache: the highest
  int64_t max_tokens = 0;      // 0: no limit
  double time_limit_ms = 0;    // 0: no limit
  std::vector<std::string> stops;
  SamplingOptions sampling;
  std::string grammar;                // that the reply must follow; empty: none
  std::vector<std::string> triggers;  // texts from which on it must; none: from the start
  int alternatives = -1;              // how many likely tokens to tell with each; -1: no probabilities at all
  std::vector<Token> shown;           // control tokens that are text of the reply, by their names
  bool speculation = false;
  // For tests: of the reply that these tokens foretell, always so many are drafted; where the number is negative,
  // drafts are what they would be. Its finish tells its tokens.
  struct Forced {
    std::vector<Token> tokens;
    int count;
  };
  std::shared_ptr<const Forced> forced;
  std::shared_ptr<TokenStream> stream;
};

}  // namespace streaming
