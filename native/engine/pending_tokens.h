#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// The tokens of one conversation that are known and not decoded, in order, and why each of them is there. From the
// front: tokens that the cache gave back to be decoded again (by a rebase, by a replay one by one, or because the
// policy starts again), then fresh ones. The last one is decoded with what follows it, so it is neither rebased nor
// replayed. Plain bookkeeping: it knows no llama.cpp and no thread; its owner calls it from one thread.
class PendingTokens {
 public:
  // What a saved conversation stores of it besides the tokens.
  struct Counts {
    uint64_t rebasing, known, replaying;
  };

  bool empty() const { return tokens_.empty(); }
  size_t size() const { return tokens_.size(); }
  Token front() const { return tokens_.front(); }
  auto begin() const { return tokens_.begin(); }
  auto end() const { return tokens_.end(); }
  const std::deque<Token>& tokens() const { return tokens_; }
  Counts counts() const { return {rebasing_, known_, replaying_}; }

  // Kept tokens that a rebase decodes again come first: until they are decoded, llama.cpp's cache holds a part alone.
  bool rebasing() const { return rebasing_ > 0; }
  // Tokens that were decoded before, one by one, come first, and must be so again.
  bool replaying() const { return replaying_ > 0; }
  // How many of the first `count` may be decoded in one batch.
  int decodable(int count) const {
    if (rebasing_ > 0) count = std::min(count, static_cast<int>(rebasing_));
    return replaying_ > 0 ? std::min(count, 1) : count;
  }

  // The conversation's next token is known.
  void add(Token token) { tokens_.push_back(token); }
  // The first ones have been decoded. True: they were the last of a rebase.
  bool decoded(int count) {
    const auto n = static_cast<size_t>(count);
    tokens_.erase(tokens_.begin(), tokens_.begin() + count);
    known_ -= std::min(known_, n);
    if (replaying_ > 0) replaying_--;
    if (rebasing_ == 0) return false;
    rebasing_ -= n;
    return rebasing_ == 0;
  }
  // The first ones are in the cache: another conversation had decoded them.
  void shared(size_t count) { tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(count)); }
  // The last ones are forgotten. At least one stays.
  void drop_last(size_t count) {
    tokens_.resize(tokens_.size() - count);
    rebasing_ = std::min(rebasing_, tokens_.size() - 1);
    replaying_ = std::min(replaying_, tokens_.size() - 1);
  }
  // Whether the policy still knows one of the tokens that stay when all but the first `count` are dropped: it would
  // give that one back once more.
  bool policy_knows_past(int64_t count) const { return count < static_cast<int64_t>(known_); }

  // The cache ends before this token now, which waits alone: it was rolled back, or the conversation was cut.
  void rolled_back(Token token) {
    tokens_.assign(1, token);
    rebasing_ = known_ = replaying_ = 0;
  }
  // The cache went back to a checkpoint: these tokens are decoded again one by one, the last of them with what follows.
  void replay(const std::vector<Token>& tokens, Token last) {
    tokens_.assign(tokens.begin(), tokens.end());
    rebasing_ = known_ = 0;
    replay_up_to(tokens_.size(), last);
  }
  // Of those that are replayed already, the first `count`, and then this one.
  void replay_up_to(size_t count, Token last) {
    tokens_.resize(count);
    tokens_.push_back(last);
    replaying_ = tokens_.size() - 1;
  }
  // llama.cpp's cache is empty now: drops what the policy will give back once more.
  void cache_is_empty() {
    replaying_ = 0;
    tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(std::exchange(known_, 0)));
  }
  // The cache gave these back, to be decoded before all others; the policy still knows the first `known` of them. The
  // first `skipped` of those that were pending need not be decoded any more.
  void requeue(const std::vector<Token>& tokens, size_t known, bool by_rebase, size_t skipped = 0) {
    tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(skipped));
    tokens_.insert(tokens_.begin(), tokens.begin(), tokens.end());
    known_ = known;
    if (by_rebase) rebasing_ += tokens.size();
  }
  void clear() { *this = PendingTokens(); }
  // Restores them from a saved conversation. False: the counts contradict each other.
  bool load(std::deque<Token> tokens, const Counts& counts) {
    const uint64_t max = tokens.empty() ? 0 : tokens.size() - 1;
    if (counts.rebasing > max || counts.replaying > max || counts.known > max) return false;
    tokens_ = std::move(tokens);
    rebasing_ = counts.rebasing, known_ = counts.known, replaying_ = counts.replaying;
    return true;
  }

 private:
  std::deque<Token> tokens_;
  size_t rebasing_ = 0;
  size_t known_ = 0;
  size_t replaying_ = 0;
};

}  // namespace streaming
