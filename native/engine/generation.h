#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/job.h"
#include "engine/text_assembler.h"
#include "llama/constraint.h"
#include "llama/model.h"
#include "llama/probabilities.h"
#include "llama/sampler.h"

namespace streaming {

// Where no token was chosen.
constexpr Token kNoToken = -1;

// One reply while it is generated: logits in, tokens and text out. It knows no cache and no reader. On the engine's
// thread.
class Generation {
 public:
  // Text that may be delivered now, how many of the tokens' bytes it stands for, and the log-probabilities of the
  // tokens that end in it, if they were asked for.
  struct Output {
    std::string text;
    size_t bytes = 0;
    std::vector<TokenProbability> probabilities;
  };

  // `seen`: tokens of the conversation so far; `should_continue` is asked in the midst of a grammar's work. Throws
  // Failure INVALID_OPTION for a grammar that cannot be followed.
  Generation(std::shared_ptr<const Model> model, const jobs::Generate& job, int64_t seen,
             std::function<bool()> should_continue);

  // Penalties depend on the conversation's last lookback() tokens.
  int lookback() const { return sampler_.lookback(); }
  void replay(const std::vector<Token>& tokens) { sampler_.replay(tokens); }

  // Chooses the token with the number `seen` of the conversation. Throws Failure if none can be chosen, or
  // kInterrupted.
  Token sample(const float* logits, int64_t seen) { return sampler_.sample(logits, seen, constraint_.get()); }
  // Whether the token ends the model's turn, and the bytes that it adds to the reply: none where it does.
  bool is_eog(Token token) const;
  std::string bytes_of(Token token) const;
  // The token has been chosen: its bytes belong to the reply from now on ...
  void add_bytes(size_t count) { bytes_ += count; }
  // ... and so does the token, unless it ends the turn. `logits`: those it was chosen from.
  Output add(Token token, const std::string& bytes, const float* logits);
  // No more tokens come. `ended`: the model ended its turn by itself.
  Output finish(bool ended);

  // One of the stop strings has come.
  bool stopped() const { return text_.stopped(); }
  // Of all tokens; and of those whose text has been emitted.
  size_t bytes() const { return bytes_; }
  size_t emitted_bytes() const { return emitted_bytes_; }

 private:
  Output output(TextAssembler::Piece piece);

  const std::shared_ptr<const Model> model_;
  const std::vector<Token> visible_;
  const int alternatives_;
  std::unique_ptr<Constraint> constraint_;  // null: none
  Sampler sampler_;
  TextAssembler text_;
  std::deque<TokenProbability> pending_probabilities_;  // of tokens whose text has not been emitted
  size_t bytes_ = 0, emitted_bytes_ = 0;
};

}  // namespace streaming
