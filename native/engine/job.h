#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/token_stream.h"
#include "llama/sampler.h"
#include "llama/trigger_watch.h"
#include "support/tokens.h"

namespace streaming {

// What a sequence can be asked to do, one job at a time.
namespace jobs {

// These tokens are the next ones; turns begin at these of them.
struct Append {
  std::vector<Token> tokens;
  std::vector<int> turns;
};
// As Append, but they wait to be decoded with the next job.
struct Add {
  std::vector<Token> tokens;
  std::vector<int> turns;
};
// Appends these tokens and reports the log-probability of each.
struct Score {
  std::vector<Token> tokens;
};
struct Generate {
  std::vector<Token> tokens;  // the next ones, before the reply
  std::vector<int> turns;
  int64_t max_tokens = 0;    // 0: no limit
  double time_limit_ms = 0;  // 0: no limit
  std::vector<std::string> stops;
  SamplingOptions sampling;
  std::string grammar;                // that the reply must follow; empty: none
  std::vector<std::string> triggers;  // texts from which on it must; none: from the start
  ReasoningMarks reasoning;           // triggers do not count between them
  std::string before;                 // what the reply begins with already, as far as reasoning goes
  int alternatives = -1;              // how many top tokens to report with each; -1: no log-probabilities at all
  std::vector<Token> visible;         // control tokens that are text of the reply, by their names
  bool speculation = false;
  // For tests: always drafts so many of these tokens, the expected reply; if the number is negative, drafts are chosen
  // as usual. The finish event has the reply's tokens.
  struct Forced {
    std::vector<Token> tokens;
    int count;
  };
  std::shared_ptr<const Forced> forced;
};
struct Rebase {};
// Forgets the tokens of the conversation behind the first `keep`.
struct Cut {
  int64_t keep;
};
struct ReplaceSinks {
  std::vector<Token> tokens;
};
// The finish event has all tokens that are kept.
struct ReadTokens {};
// The finish event has the state, from which a sequence of the same kind can be restored.
struct Save {};
// Restores it into an empty sequence. `tokens_only`: the cells in the state are not used.
struct Restore {
  std::vector<uint8_t> state;
  bool tokens_only;
};

using Any = std::variant<Append, Add, Score, Generate, Rebase, Cut, ReplaceSinks, ReadTokens, Save, Restore>;

}  // namespace jobs

struct Job {
  jobs::Any what;
  double priority = 0;  // which comes first where several wait for a slot: the highest
  std::shared_ptr<TokenStream> stream;

  template <class Kind>
  bool is() const {
    return std::holds_alternative<Kind>(what);
  }
  template <class Kind>
  const Kind* as() const {
    return std::get_if<Kind>(&what);
  }
};

}  // namespace streaming
