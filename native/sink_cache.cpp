#include "sink_cache.h"

#include <algorithm>
#include <cstddef>

namespace streaming {

SinkCache::SinkCache(Limits limits) : limits_(limits), oldest_(limits.sinks), held_(limits.sinks) {}

int SinkCache::room() const {
  if (!limits_.evicts) return std::max(0, limits_.capacity - next_);
  const Position farthest = limits_.sinks > 0 ? base_ : oldest_;
  const int within_training = limits_.trained_length - (next_ - farthest);
  // The batch that brings the last sink evicts nothing: re-anchoring copies sinks that are already there.
  const int filling = limits_.sinks + limits_.window - next_;
  return next_ < base_ + limits_.sinks ? std::min(within_training, filling) : within_training;
}

SinkCache::Step SinkCache::plan(int count, bool prompt) const {
  Step step{next_, count, oldest_, oldest_, false, base_};
  if (!limits_.evicts) return step;
  step.evict_to = std::max(oldest_, next_ + count - limits_.window);
  const int lag = step.evict_to - (base_ + limits_.sinks);
  if (limits_.sinks > 0 && (lag >= limits_.reanchor_every || (prompt && lag > 0))) {
    step.reanchor = true;
    step.sinks_at = step.evict_to - limits_.sinks;
  }
  return step;
}

void SinkCache::commit(const Step& step, const Token* tokens) {
  for (int i = 0; i < step.count; i++) {
    const bool is_sink = base_ == 0 && step.first + i < limits_.sinks;
    if (is_sink) sinks_.push_back(tokens[i]);
    else recent_.push_back(tokens[i]);
  }
  next_ = step.first + step.count;
  oldest_ = step.evict_to;
  if (step.reanchor) base_ = step.sinks_at;
}

void SinkCache::rollback(const Mark& mark) {
  base_ = mark.base;
  oldest_ = mark.oldest;
  next_ = mark.next;
  // Sinks never leave, so they can only be cut where the sequence itself becomes shorter than its sinks.
  if (base_ == 0 && next_ < limits_.sinks) sinks_.resize(static_cast<size_t>(next_));
  recent_.resize(static_cast<size_t>(std::max(0, next_ - held_)));
}

void SinkCache::release(Position oldest) {
  while (held_ < std::min(oldest, oldest_)) {
    recent_.pop_front();
    held_++;
  }
}

bool SinkCache::pin(int count) {
  const int total = limits_.sinks + limits_.window;
  const bool untouched = base_ == 0 && oldest_ == limits_.sinks;
  if (!limits_.evicts || !untouched || count < 0 || count >= total) return false;
  const std::vector<Token> all = kept();
  limits_.sinks = count;
  limits_.window = total - count;
  const auto boundary = all.begin() + std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(all.size()));
  sinks_.assign(all.begin(), boundary);
  recent_.assign(boundary, all.end());
  oldest_ = held_ = count;
  return true;
}

std::vector<Token> SinkCache::restart() {
  const std::vector<Token> tokens = kept();
  base_ = next_ = 0;
  oldest_ = held_ = limits_.sinks;
  sinks_.clear();
  recent_.clear();
  return tokens;
}

int SinkCache::size() const {
  return static_cast<int>(sinks_.size()) + std::max(0, next_ - oldest_);
}

std::vector<Token> SinkCache::kept() const {
  std::vector<Token> tokens = sinks_;
  tokens.insert(tokens.end(), recent_.begin() + std::min<std::ptrdiff_t>(oldest_ - held_, static_cast<std::ptrdiff_t>(recent_.size())), recent_.end());
  return tokens;
}

const char* SinkCache::broken_invariant() const {
  const auto& [sinks, window, reanchor_every, trained_length, evicts, capacity] = limits_;
  if (base_ < 0 || next_ < 0) return "positions are not negative";
  if (static_cast<int>(sinks_.size()) != std::min(sinks, next_)) return "all sinks are there";
  if (static_cast<int>(recent_.size()) != std::max(0, next_ - held_)) return "each window position is there once";
  if (held_ > oldest_) return "the window's tokens are known";
  if (base_ + sinks > oldest_) return "sinks lie below the window";
  if (!evicts) return next_ > capacity ? "the cache holds no more than its capacity" : oldest_ != sinks ? "dense evicts nothing" : nullptr;
  if (sinks > 0 && oldest_ - (base_ + sinks) >= reanchor_every) return "the sinks lag less than reanchor_every";
  if (next_ - oldest_ > window) return "the window holds no more than its size";
  if (oldest_ > sinks && next_ - oldest_ > window) return "nothing leaves early";
  if (sinks > 0 && next_ - base_ > trained_length) return "no token sees farther than the trained length";
  return nullptr;
}

}  // namespace streaming
