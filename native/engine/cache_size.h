#pragma once
#include "policy/cache_policy.h"

namespace streaming {

// What the cache of a model keeps, as far as the bookkeeping of its sequences goes by it.
struct MemoryKind {
  int sliding_window = 0;  // how far its windowed layers see; 0 where there are none
  bool recurrent = false;  // it has a recurrent state, alone or beside attention ...
  bool hybrid = false;     // ... the latter
};

// How many tokens the engine runs ahead of a reader. Enough that JavaScript never waits for the engine, few enough
// that taking them back costs nothing. Drafts that are accepted come on top of it, once.
constexpr int kRunAhead = 16;
// Evicted cells that are held for rolling back: the run-ahead, and what a stop string may keep waiting. Held for so
// many tokens, whatever the reader has taken: so which cells come free does not depend on the reader, nor how sums
// over them are rounded.
constexpr int kHeldCells = 64;
// Tokens from one checkpoint of a recurrent state to the next: more than a reader may be behind, with a few that wait
// for the rest of a character or of a stop string.
constexpr int kCheckpointEvery = kRunAhead + 8;
constexpr int kMaxCheckpoints = 2;

// Cells of the cache that one sequence needs. lib/engine/cache-constants.ts counts the same.
inline int cells_needed(const CachePolicy::Limits& limits, bool recurrent) {
  const int tokens = limits.sinks + limits.window;
  if (limits.kind != CachePolicy::streaming) return tokens + 1;
  // The sinks on the move; those of the checkpoints.
  const int copies = 1 + (recurrent ? kMaxCheckpoints : 0);
  return tokens + copies * limits.sinks + kHeldCells;
}

// Ids that one sequence may use at once: its own, one for its sinks on the move, and one to hold what was evicted, or
// those of the checkpoints. An id costs nothing, except in memories that have a state or a window for each.
inline int ids_needed(bool recurrent) { return 2 + (recurrent ? kMaxCheckpoints : 1); }

}  // namespace streaming
