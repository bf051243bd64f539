#include "policy/sink_cache.h"

#include <algorithm>
#include <cstddef>

namespace streaming {
namespace {

constexpr int kFewSinks = 16;

}  // namespace

SinkCache::SinkCache(const Limits& limits)
    : CachePolicy(limits),
      first_(limits.first),
      base_(first_),
      oldest_(first_ + limits.sinks),
      next_(first_),
      held_(oldest_) {
  if (limits_.by_turn) turns_.push_back(oldest_);
}

int SinkCache::room() const {
  // The batch that brings the last sink evicts nothing: re-anchoring copies sinks that are already there.
  const bool filling = next_ < first_ + limits_.sinks;
  const int until_full = filling ? first_ + limits_.sinks + limits_.window - next_ : kNever;
  if (limits_.reanchor_every == kNever) return until_full;
  return std::min(until_full, limits_.trained_length - (next_ - lowest()));
}

// The oldest position that stays when `count` tokens more have been decoded.
Position SinkCache::evict_to(int count) const {
  const Position needed = std::max(oldest_, next_ + count - limits_.window);
  if (needed == oldest_ || !limits_.by_turn) return needed;
  auto turn = std::lower_bound(turns_.begin(), turns_.end(), oldest_);
  const bool whole = turn != turns_.end() && *turn == oldest_;
  // Of a turn that has been cut into, more tokens leave until none are left.
  if (!whole && (turn == turns_.end() || *turn >= needed)) return needed;
  turn = std::lower_bound(turn, turns_.end(), needed);
  return turn != turns_.end() && *turn < next_ + count ? *turn : needed;
}

CachePolicy::Step SinkCache::plan(int count, bool prompt_ends) const {
  Step step{next_, count, oldest_, evict_to(count), false, base_};
  const int lag = step.evict_to - (base_ + limits_.sinks);
  const bool moves = limits_.sinks > 0 && limits_.reanchor_every != kNever;
  // A long pin moves at the end of a prompt, so that it does not delay a reply. A few sinks cost little in a reply, but
  // would add to the time to the first token.
  const bool rides = prompt_ends && count > 1 && limits_.sinks > kFewSinks && 2 * lag >= limits_.reanchor_every;
  const bool too_far_for_the_next = limits_.trained_length - (next_ + count - base_) < count;
  if (moves && lag > 0 && (lag >= limits_.reanchor_every || rides || (count > 1 && too_far_for_the_next))) {
    step.reanchor = true;
    step.sinks_at = step.evict_to - limits_.sinks;
  }
  return step;
}

void SinkCache::commit(const Step& step, const Token* tokens) {
  for (int i = 0; i < step.count; i++) {
    const bool is_sink = step.first + i < first_ + limits_.sinks;
    if (is_sink) sinks_.push_back(tokens[i]);
    else recent_.push_back(tokens[i]);
  }
  next_ = step.first + step.count;
  oldest_ = step.evict_to;
  if (step.reanchor) base_ = step.sinks_at;
}

void SinkCache::begin_turn(Position at) {
  if (limits_.by_turn && (turns_.empty() || turns_.back() < at)) turns_.push_back(at);
}

void SinkCache::move_turns(int distance) {
  for (Position& turn : turns_) turn += distance;
}

bool SinkCache::cut(Position from) { return rollback({base_, oldest_, from}); }

void SinkCache::replace_sinks(const std::vector<Token>& sinks) {
  const int before = limits_.sinks, count = static_cast<int>(sinks.size());
  limits_.sinks = count;
  limits_.window -= count - before;
  sinks_ = sinks;
  first_ = base_ = oldest_ - count;
  saw_other_sinks_ = next_ > oldest_;
}

void SinkCache::save(ByteWriter& to) const {
  to.put(saw_other_sinks_ ? -1 - first_ : first_), to.put(base_), to.put(oldest_), to.put(next_), to.put(held_);
  to.put_list(sinks_), to.put_list(recent_), to.put_list(turns_);
}

void SinkCache::load(ByteReader& from) {
  first_ = from.take<Position>();
  saw_other_sinks_ = first_ < 0;
  if (saw_other_sinks_) first_ = -1 - first_;
  check_position(first_);
  base_ = take_position(from), oldest_ = take_position(from), next_ = take_position(from), held_ = take_position(from);
  from.take_list(sinks_), from.take_list(recent_);
  take_turns(from, turns_);
}

void SinkCache::adopt_prefix(Position first, const std::vector<Token>& tokens) {
  move_turns(first - first_);
  first_ = base_ = next_ = first;
  saw_other_sinks_ = false;
  oldest_ = held_ = first + limits_.sinks;
  commit(plan(static_cast<int>(tokens.size()), false), tokens.data());
}

// The sinks see only each other, wherever they are. The tokens behind them have seen tokens that may be gone.
std::vector<Token> SinkCache::shareable_prefix() const {
  return !saw_other_sinks_ && oldest_ == first_ + limits_.sinks ? kept() : sinks_;
}

bool SinkCache::rollback(const Mark& mark) {
  base_ = mark.base;
  oldest_ = mark.oldest;
  next_ = mark.next;
  // Sinks never leave, so they can only be cut where the sequence itself becomes shorter than its sinks.
  if (next_ < first_ + limits_.sinks) sinks_.resize(static_cast<size_t>(next_ - first_));
  recent_.resize(static_cast<size_t>(std::max(0, next_ - held_)));
  // The next token was in the cache before, so it may begin a turn.
  while (!turns_.empty() && turns_.back() > std::max(next_, oldest_)) turns_.pop_back();
  return true;
}

void SinkCache::release(const Mark& mark) {
  for (; held_ < std::min(mark.oldest, oldest_); held_++) recent_.pop_front();
  while (!turns_.empty() && turns_.front() < held_) turns_.pop_front();
}

CachePolicy::Restart SinkCache::restart(size_t) {
  Restart restart{kept(), 0, 0, 0};
  // If some sinks are still to come, the first turn begins behind them.
  const Position began = oldest_;
  while (!turns_.empty() && turns_.front() < began) turns_.pop_front();
  move_turns(limits_.sinks - began);
  first_ = base_ = next_ = 0;
  saw_other_sinks_ = false;
  oldest_ = held_ = limits_.sinks;
  sinks_.clear();
  recent_.clear();
  return restart;
}

int SinkCache::size() const { return static_cast<int>(sinks_.size()) + std::max(0, next_ - oldest_); }

std::vector<Token> SinkCache::kept() const {
  std::vector<Token> tokens = sinks_;
  const auto evicted = std::min<std::ptrdiff_t>(oldest_ - held_, static_cast<std::ptrdiff_t>(recent_.size()));
  tokens.insert(tokens.end(), recent_.begin() + evicted, recent_.end());
  return tokens;
}

std::vector<Token> SinkCache::between(Position from, Position to) const {
  std::vector<Token> tokens;
  for (Position at = from; at < to; at++) {
    const bool is_sink = at < first_ + limits_.sinks;
    tokens.push_back(is_sink ? sinks_[static_cast<size_t>(at - first_)] : recent_[static_cast<size_t>(at - held_)]);
  }
  return tokens;
}

const char* SinkCache::broken_invariant() const {
  const int sinks = limits_.sinks;
  if (base_ < 0 || next_ < 0) return "positions are not negative";
  if (static_cast<int>(sinks_.size()) != std::min(sinks, next_ - first_)) return "all sinks are there";
  if (static_cast<int>(recent_.size()) != std::max(0, next_ - held_)) return "each window position is there once";
  if (held_ > oldest_) return "the window's tokens are known";
  if (base_ + sinks > oldest_) return "sinks lie below the window";
  if (next_ - oldest_ > limits_.window) return "the window holds no more than its size";
  if (!std::is_sorted(turns_.begin(), turns_.end())) return "turns begin one after another";
  if (limits_.reanchor_every == kNever) return nullptr;
  if (sinks > 0 && oldest_ - (base_ + sinks) >= limits_.reanchor_every) return "the sinks lag less than reanchor_every";
  if (sinks > 0 && next_ - base_ > limits_.trained_length) return "no token sees farther than the trained length";
  return nullptr;
}

}  // namespace streaming
