#include "policy/recompute_cache.h"

#include <algorithm>

namespace streaming {

RecomputeCache::RecomputeCache(const Limits& limits)
    : CachePolicy(limits),
      sinks_kept_(limits.kind == refill ? limits.sinks : 0),
      // The paper's count: S + W tokens, and the one that attends to them.
      capacity_(limits.sinks + limits.window + (limits.kind == recompute ? 1 : 0)) {}

void RecomputeCache::commit(const Step& step, const Token* tokens) {
  for (int i = 0; i < step.count; i++) {
    if (next_++ < known()) continue;  // decoded again
    if (static_cast<int>(sinks_.size()) < sinks_kept_) sinks_.push_back(tokens[i]);
    else recent_.push_back(tokens[i]);
  }
}

void RecomputeCache::begin_turn(Position at) {
  const int turn = start_ + at - sinks_kept_;
  if (limits_.by_turn && (turns_.empty() || turns_.back() < turn)) turns_.push_back(turn);
}

bool RecomputeCache::rollback(const Mark& mark) {
  const bool same_cells = mark.base == start_ && mark.next <= next_;
  start_ = mark.base;
  next_ = mark.next;
  const int sinks = std::min(next_, static_cast<int>(sinks_.size()));
  sinks_.resize(static_cast<size_t>(sinks));
  recent_.resize(static_cast<size_t>(start_ + next_ - sinks - held_));
  return same_cells;
}

void RecomputeCache::release(const Mark& mark) {
  for (; held_ < std::min(mark.base, start_); held_++) recent_.pop_front();
  while (!turns_.empty() && turns_.front() < held_) turns_.pop_front();
}

bool RecomputeCache::must_restart(size_t coming) const {
  // recompute must know all coming tokens to say what stays: it decodes nothing that a later token pushes out unseen.
  return limits_.kind == recompute ? static_cast<int64_t>(coming) > room() : coming > 0 && room() == 0;
}

CachePolicy::Restart RecomputeCache::restart(size_t coming) {
  const int before = known();
  Restart restart{{}, 0, 0, 0};
  const bool overflows =
      limits_.kind == recompute ? before + static_cast<int64_t>(coming) > capacity_ : coming > 0 && before >= capacity_;
  if (overflows && limits_.kind == recompute) {
    restart.skipped = coming - std::min(coming, static_cast<size_t>(capacity_));
    start_ += before - std::min(before, capacity_ - static_cast<int>(coming - restart.skipped));
  } else if (overflows) {
    start_ += std::max(0, before - static_cast<int>(sinks_.size()) - limits_.window / 2);
    // By turns, less than half of the window may stay, so that it begins where a turn does.
    const auto turn = std::lower_bound(turns_.begin(), turns_.end(), start_);
    if (turn != turns_.end() && *turn < held_ + static_cast<int>(recent_.size())) start_ = *turn;
  }
  restart.to_decode = between(0, known());
  restart.known = restart.to_decode.size();
  restart.evicted = before - known() + static_cast<int64_t>(restart.skipped);
  next_ = 0;
  if (restart.skipped > 0) {
    // Skipped tokens were never in the cache, so there is no rolling back to before them.
    start_ += static_cast<int>(restart.skipped);
    held_ = start_;
    recent_.clear();
  }
  return restart;
}

void RecomputeCache::save(ByteWriter& to) const {
  to.put_list(sinks_), to.put_list(recent_), to.put_list(turns_);
  to.put(held_), to.put(start_), to.put(next_);
}

void RecomputeCache::load(ByteReader& from) {
  from.take_list(sinks_), from.take_list(recent_);
  take_turns(from, turns_);
  held_ = take_position(from), start_ = take_position(from), next_ = take_position(from);
}

std::vector<Token> RecomputeCache::between(Position from, Position to) const {
  std::vector<Token> tokens;
  const int sinks = static_cast<int>(sinks_.size());
  for (Position at = from; at < to; at++)
    tokens.push_back(at < sinks ? sinks_[static_cast<size_t>(at)]
                                : recent_[static_cast<size_t>(start_ - held_ + at - sinks)]);
  return tokens;
}

const char* RecomputeCache::broken_invariant() const {
  if (next_ < 0 || held_ < 0) return "nothing is counted below 0";
  if (static_cast<int>(sinks_.size()) > sinks_kept_) return "there are no more sinks than are kept";
  if (next_ > capacity_) return "the cache holds no more than its size";
  if (held_ > start_ || next_ > known()) return "the tokens in the cache are known";
  return nullptr;
}

}  // namespace streaming
