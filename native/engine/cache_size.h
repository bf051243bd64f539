#pragma once
#include "policy/cache_policy.h"

namespace streaming {

// What kind of cache a model has, as far as the bookkeeping depends on it.
struct MemoryKind {
  int sliding_window = 0;  // how far its windowed layers see; 0 where there are none
  bool recurrent = false;  // it has a recurrent state, alone or beside attention ...
  bool hybrid = false;     // ... the latter
};

// How many tokens the engine runs ahead of a reader: enough that JavaScript never waits for the engine, few enough that
// rolling them back costs nothing. Accepted drafts come on top of it, once.
constexpr int kRunAhead = 16;
// Evicted cells that are held for rolling back: the run-ahead, and what a stop string may delay. They are freed after
// so many tokens, whatever the reader's speed. So neither the order of free cells nor the rounding of sums over them
// depends on the reader.
constexpr int kHeldCells = 64;
// Tokens from one checkpoint of a recurrent state to the next: more than a reader may be behind, and a few that wait
// for the rest of a character or of a stop string.
constexpr int kCheckpointEvery = kRunAhead + 8;
constexpr int kMaxCheckpoints = 2;

// Cells of the cache that one sequence needs. lib/memory/context-size.ts counts the same.
inline int cells_needed(const CachePolicy::Limits& limits, bool recurrent) {
  const int tokens = limits.sinks + limits.window;
  if (limits.kind != CachePolicy::streaming) return tokens + 1;
  // The sinks while they move; those of the checkpoints.
  const int copies = 1 + (recurrent ? kMaxCheckpoints : 0);
  return tokens + copies * limits.sinks + kHeldCells;
}

// Ids that one sequence may use at once: its own, one for its sinks while they move, and one to hold evicted cells, or
// those of the checkpoints. An id costs nothing, except in memories that have a state or a window for each.
inline int ids_needed(bool recurrent) { return 2 + (recurrent ? kMaxCheckpoints : 1); }

}  // namespace streaming
