#pragma once
#include <vector>

#include "engine/sequence_id.h"
#include "policy/cache_policy.h"

namespace streaming {

struct Sequence;

// What one sequence has in the batch of a round.
struct BatchEntry {
  Sequence* sequence;
  CachePolicy::Step step;
  std::vector<Token> tokens;
  int logits_index = -1;
  SequenceId sinks;          // the id under which its sinks are decoded, where they move
  bool sinks_apart = false;  // they have been already
  int drafts = 0;            // after the one token; their logits follow its own
};

}  // namespace streaming
