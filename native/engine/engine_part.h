#pragma once
#include <vector>

#include "engine/engine.h"

namespace streaming {

// What one sequence has in the batch.
struct Engine::Part {
  Sequence* sequence;
  CachePolicy::Step step;
  std::vector<Token> tokens;
  int logits_index = -1;
  SequenceId scratch;
  int drafts = 0;            // of sequence->speculation, after the one token; their logits follow its own
  bool sinks_apart = false;  // the sinks have been decoded under `scratch` already
};

}  // namespace streaming
