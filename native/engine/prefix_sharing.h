#pragma once
#include <vector>

#include "engine/cached_tokens.h"

namespace streaming {

// A prefix that several conversations share (a system prompt) is decoded once: a conversation with an empty cache takes
// over the cells of another. They are taken at the positions where they are: attention sees only differences of
// positions.
struct PrefixHolder {
  const CachedTokens* tokens;
  bool running;  // at a job that has not ended
};

struct SharedPrefix {
  bool wait = false;                   // another is about to decode more of it
  const CachedTokens* from = nullptr;  // null: no other has enough of it
  int length = 0;
};

// `batch_size`: tokens that one batch takes at most. On the engine's thread.
SharedPrefix find_shared_prefix(const CachedTokens& tokens, const std::vector<PrefixHolder>& others, int batch_size);

}  // namespace streaming
