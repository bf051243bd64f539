#pragma once
#include <array>
#include <cstdint>
#include <functional>

#include "engine/cached_tokens.h"
#include "engine/job.h"
#include "speculation/draft_length.h"
#include "speculation/ngram_index.h"

namespace streaming {

// One conversation's n-gram index and its acceptance rates. Made when a job first asks for speculation; on the engine's
// thread.
struct Speculation {
  NgramIndex index;
  Acceptance acceptance;
  int matched = 0;  // how many matching tokens precede drafts[0]; 0: there is no draft
  std::array<Token, kMaxDrafts> drafts{};

  // The token that came where `place` drafts had been right says whether the next one was.
  void learn(Token token, int place);
};

// Speculation without a draft model (n-gram or prompt lookup). The tokens that followed an earlier occurrence of the
// conversation's last tokens are decoded along with the next token, and accepted as long as the sampler chooses the
// same. It decides how many drafts a batch gets, by what batches cost. One for each engine, on its thread.
class Speculator {
 public:
  // A recurrent state cannot leave rejected tokens out, and what recomputes decodes a whole window for each token.
  static bool can_speculate(const CachedTokens& tokens);

  void begin_round() { added_ = 0; }
  struct Room {
    int left;                            // tokens that the batch may still take
    int sequences;                       // each of which may still add one
    std::function<int()> other_singles;  // of them, those that are about to add one
  };
  // Fills in drafts for the one pending token, and returns how many of them belong into the batch. Only as many as
  // could have been decoded singly without anything else happening in between: no sinks that move, no rebase, no end.
  int draft(Speculation& speculation, const CachedTokens& tokens, const jobs::Generate& job, int64_t generated,
            const Room& room);
  void added(int drafts) { added_ += drafts; }
  // A batch of so many single tokens took so many milliseconds.
  void observe(int tokens, double milliseconds) { cost_.observe(tokens, milliseconds); }

 private:
  BatchCost cost_;
  int added_ = 0;  // drafts in the batch in the making
};

}  // namespace streaming
