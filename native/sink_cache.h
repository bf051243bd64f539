#pragma once
#include <deque>

#include "cache_policy.h"

namespace streaming {

// StreamingLLM's policy (Xiao et al. 2023, section 3.2).
//
// Positions grow for ever and the window stays where it is; the sinks are decoded again just below it (re-anchored)
// whenever they lag too far behind. Between two steps, with sinks at [base, base + S) and window at [oldest, next):
//
//   base + S <= oldest                     sinks lie below the window
//   oldest - (base + S) < reanchor_every   and not far below it
//   next - oldest <= W                     the window holds at most W tokens
//   nothing has left while next - base <= S + W
//   next - base <= trained_length          no token sees farther than the model was trained to
class SinkCache final : public CachePolicy {
 public:
  explicit SinkCache(const Limits& limits);

  int room() const override;
  Step plan(int count, bool prompt_ends) const override;
  void commit(const Step& step, const Token* tokens) override;
  void adopt(Position first, const std::vector<Token>& tokens) override;
  std::vector<Token> beginning() const override;
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
  Position first_;  // of the conversation; 0 after a rebase
  Position base_;
  Position oldest_;
  Position next_;
  std::deque<Token> recent_;  // tokens at positions [held_, next_), held_ <= oldest_
  Position held_;
};

}  // namespace streaming
