#pragma once
#include <deque>

#include "policy/cache_policy.h"

namespace streaming {

// StreamingLLM's policy (Xiao et al. 2023, section 3.2).
//
// Positions keep growing and the window stays where it is; the sinks are decoded again just below it (re-anchored)
// whenever they lag too far behind. Between two steps, with sinks at [base, base + S) and window at [oldest, next):
//
//   base + S <= oldest                     sinks lie below the window
//   oldest - (base + S) < reanchor_every   and not far below it
//   next - oldest <= W                     the window holds at most W tokens
//   nothing has left while next - base <= S + W
//   next - base <= trained_length          no token sees farther than the model was trained to
//
// With eviction by turns, whole turns leave, the oldest first, so that the window begins where a turn does. A turn that
// is larger than the window leaves by tokens from then on.
class SinkCache final : public CachePolicy {
 public:
  explicit SinkCache(const Limits& limits);

  int room() const override;
  Step plan(int count, bool prompt_ends) const override;
  void commit(const Step& step, const Token* tokens) override;
  void begin_turn(Position at) override;
  bool cut(Position from) override;
  void replace_sinks(const std::vector<Token>& sinks) override;
  void save(ByteWriter& to) const override;
  void load(ByteReader& from) override;
  std::unique_ptr<CachePolicy> clone() const override { return std::unique_ptr<CachePolicy>(new SinkCache(*this)); }
  void adopt_prefix(Position first, const std::vector<Token>& tokens) override;
  std::vector<Token> shareable_prefix() const override;
  Mark mark() const override { return {base_, oldest_, next_}; }
  bool rollback(const Mark& mark) override;
  void release(const Mark& mark) override;
  // A rebase: sinks and window, to be decoded from position 0.
  Restart restart(size_t coming) override;

  Position lowest() const override { return limits_.sinks > 0 ? base_ : oldest_; }
  Position next() const override { return next_; }
  int size() const override;
  std::vector<Token> kept() const override;
  std::vector<Token> between(Position from, Position to) const override;
  const char* broken_invariant() const override;

 private:
  SinkCache(const SinkCache&) = default;
  Position evict_to(int count) const;
  void move_turns(int distance);

  Position first_;                // of the conversation; 0 after a rebase
  bool saw_other_sinks_ = false;  // the window's tokens did: they are no shareable prefix
  Position base_;
  Position oldest_;
  Position next_;
  std::deque<Token> recent_;  // tokens at positions [held_, next_), held_ <= oldest_
  Position held_;
  std::deque<Position> turns_;  // where turns begin, the oldest of them not below held_; empty unless by turns
};

}  // namespace streaming
