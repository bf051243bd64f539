#pragma once
#include <cstdint>
#include <memory>

#include "engine/cached_tokens.h"
#include "engine/running_job.h"
#include "engine/speculator.h"

namespace streaming {

// One conversation as the engine sees it. Lives on the engine's thread alone.
struct Sequence {
  Sequence(int its_handle, Cells& cells, const MemoryKind& memory, const CachePolicy::Limits& limits,
           Position rebase_after, bool verifies)
      : handle(its_handle), tokens(cells, memory, limits, rebase_after, verifies) {}

  const int handle;
  CachedTokens tokens;
  std::unique_ptr<Speculation> speculation;  // null until a job asks for it; updated with each token from then on
  std::unique_ptr<RunningJob> job;           // null: it is idle
  uint64_t last_used = 0;                    // when its last job ended, counted in jobs

  bool is_running() const { return job && !job->is_waiting(); }
  bool is_waiting() const { return job && job->is_waiting(); }
};

}  // namespace streaming
