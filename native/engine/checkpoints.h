#pragma once
#include <deque>
#include <optional>
#include <utility>

#include "engine/cache_size.h"
#include "engine/cells.h"

namespace streaming {

// A whole earlier state, kept under a sequence id of its own. Metadata only; llama.cpp copies the state when the
// sequence goes on.
struct Checkpoint {
  SequenceId id;
  CachePolicy::Mark mark;
  int64_t evicted;
};

// The latest states of one sequence that it can roll back to, for memories with a recurrent part, from which single
// tokens cannot be removed. On the engine's thread.
class Checkpoints {
 public:
  bool empty() const { return checkpoints_.empty(); }
  int size() const { return static_cast<int>(checkpoints_.size()); }
  const Checkpoint& oldest() const { return checkpoints_.front(); }
  void clear() { checkpoints_.clear(); }
  auto begin() { return checkpoints_.begin(); }
  auto end() { return checkpoints_.end(); }

  // A checkpoint is due every kCheckpointEvery tokens, whatever the reader has taken, so which cells come free does not
  // depend on it. If the position `needed` lies before both checkpoints (a stop string of very many tokens waits), the
  // next one is delayed.
  bool due(Position next, std::optional<Position> needed) const {
    if (checkpoints_.empty()) return true;
    const Position latest = checkpoints_.back().mark.next;
    return next - latest >= kCheckpointEvery && (size() < kMaxCheckpoints || !needed || *needed >= latest);
  }
  void add(Cells& cells, const SequenceId& current, const CachePolicy::Mark& mark, int64_t evicted) {
    if (size() == kMaxCheckpoints) checkpoints_.pop_front();
    auto id = cells.take_id();
    cells.copy(current, id, -1, -1);
    checkpoints_.push_back({std::move(id), mark, evicted});
  }
  // The latest that is not behind this position; those behind it are dropped. It is no longer kept here.
  std::optional<Checkpoint> take_latest(Position not_behind) {
    while (!checkpoints_.empty() && checkpoints_.back().mark.next > not_behind) checkpoints_.pop_back();
    if (checkpoints_.empty()) return std::nullopt;
    auto latest = std::move(checkpoints_.back());
    checkpoints_.pop_back();
    return latest;
  }

 private:
  std::deque<Checkpoint> checkpoints_;  // oldest first
};

}  // namespace streaming
