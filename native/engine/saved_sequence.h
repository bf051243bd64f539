#pragma once
#include <cstdint>
#include <vector>

#include "engine/cached_tokens.h"
#include "llama/model.h"

namespace streaming {

// All of an idle sequence: its bookkeeping and its cells. The cells are left out if they were swapped out with more
// than belongs to the sequence: its tokens are then decoded again. On the engine's thread.
std::vector<uint8_t> save_sequence(const CachedTokens& tokens);

// The opposite, for an empty sequence with a slot. The state comes from outside, so all of it is checked. Bookkeeping
// that contradicts itself is refused (Failure INVALID_OPTION). If the cells cannot be read safely, or with
// `tokens_only`, the tokens are decoded again. Returns how the job ends: "done", "waiting" if everything was to be
// decoded again when it was saved, or "unreadable".
const char* restore_sequence(CachedTokens& tokens, const std::vector<uint8_t>& state, bool tokens_only,
                             const Model& model);

}  // namespace streaming
