#pragma once
#include <cstdint>
#include <vector>

#include "engine/cached_tokens.h"
#include "llama/model.h"

namespace streaming {

// All of an idle sequence: its bookkeeping, and what the cache holds. Without the latter, where what was put away has
// more than belongs to it: its tokens are decoded again then. On the engine's thread.
std::vector<uint8_t> save_sequence(const CachedTokens& tokens);

// The opposite, for a sequence that is empty and has a slot. The state comes from outside: nothing of it is taken as it
// is. Where its bookkeeping contradicts itself it is refused (Failure INVALID_OPTION), and where its cells cannot be
// read safely, or `tokens_only` are wanted, its tokens are decoded again. Returns how the job ends: "done", "waiting"
// where all was to be decoded again when it was saved, or "unreadable".
const char* restore_sequence(CachedTokens& tokens, const std::vector<uint8_t>& state, bool tokens_only,
                             const Model& model);

}  // namespace streaming
