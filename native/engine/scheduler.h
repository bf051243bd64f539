#pragma once
#include <optional>
#include <vector>

#include "engine/cached_tokens.h"
#include "engine/prefill_budget.h"

namespace streaming {

// What goes into the batch of one round: first one token of each sequence that generates, then prompts. Each round
// starts where the last one left off, so that none starves. Prompts get as much as does not stall the sequences that
// generate. On the engine's thread.
class Scheduler {
 public:
  // Tokens that a batch takes at most.
  explicit Scheduler(int batch_size) : batch_size_(batch_size) {}

  // ---- a round

  // The handles, which come in order, in the round's order.
  std::vector<int> order(const std::vector<int>& handles) const;
  // From now on prompts are added, to so many single tokens, where the batch has room for `left` more.
  void begin_prompts(int singles, int left);
  // Tokens that the sequence may add to the batch, `left` of which are free. `keeps_last`: its last token waits for
  // what will follow it. Nothing: it waits for another round.
  std::optional<CachePolicy::Step> next_step(const CachedTokens& tokens, bool keeps_last, int left);
  // The next round begins with another sequence of these.
  void end_round(const std::vector<int>& handles);
  // A batch took so many milliseconds, `singles` of its tokens for sequences that generate.
  void observe(int singles, int tokens, double milliseconds) { budget_.observe(singles, tokens, milliseconds); }

 private:
  std::optional<int> cut_for_eviction(const CachedTokens& tokens, int left, int count) const;

  const int batch_size_;
  PrefillBudget budget_;
  int first_ = 0;        // the handle that comes first
  int prompts_ = 0;      // in the batch in the making
  int prompt_left_ = 0;  // tokens of prompts that the batch in the making may still take
};

}  // namespace streaming
