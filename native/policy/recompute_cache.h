#pragma once
#include <deque>

#include "policy/cache_policy.h"

namespace streaming {

// Tokens that are never moved: when the cache is full, what stays is decoded again from position 0.
//
//   recompute  the last S + W tokens and the new one, for each new token
//   refill     S sinks and the last W / 2 tokens, once in W / 2 tokens
//
// Its marks count: `base` tokens had left when the cache was filled last, `next` positions were in use.
class RecomputeCache final : public CachePolicy {
 public:
  explicit RecomputeCache(const Limits& limits);

  int room() const override { return capacity_ - next_; }
  Step plan(int count, bool) const override { return {next_, count, 0, 0, false, 0}; }
  void commit(const Step& step, const Token* tokens) override;
  void begin_turn(Position at) override;
  Mark mark() const override { return {start_, start_, next_}; }
  bool rollback(const Mark& mark) override;
  void release(const Mark& mark) override;
  bool must_restart(size_t coming) const override;
  Restart restart(size_t coming) override;
  void save(ByteWriter& to) const override;
  void load(ByteReader& from) override;
  std::unique_ptr<CachePolicy> clone() const override {
    return std::unique_ptr<CachePolicy>(new RecomputeCache(*this));
  }

  Position lowest() const override { return 0; }
  Position next() const override { return next_; }
  int size() const override { return next_; }
  std::vector<Token> kept() const override { return between(0, next_); }
  std::vector<Token> between(Position from, Position to) const override;
  const char* broken_invariant() const override;

 private:
  // Tokens that belong into the cache: those in it, and those that a restart has given back and not yet seen again.
  int known() const { return static_cast<int>(sinks_.size()) + held_ + static_cast<int>(recent_.size()) - start_; }

  RecomputeCache(const RecomputeCache&) = default;

  const int sinks_kept_;  // how many of the first tokens stay at a restart
  const int capacity_;
  std::deque<Token> recent_;  // the tokens after the sinks, from the held_-th on
  int held_ = 0;
  int start_ = 0;  // the first of them that belongs into the cache; held_ <= start_
  Position next_ = 0;
  std::deque<int> turns_;  // where turns begin, counted as start_ is; empty unless by turns
};

}  // namespace streaming
