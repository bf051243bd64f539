#pragma once
#include <cstdint>
#include <deque>
#include <vector>

namespace streaming {

using Token = int32_t;
using Position = int32_t;

// StreamingLLM's policy (Xiao et al. 2023, section 3.2): which tokens stay in the KV cache and where the attention
// sinks go. Plain bookkeeping: it knows no llama.cpp, no JavaScript and no thread; whoever owns it calls it from one
// thread.
//
// Positions grow for ever and the window stays where it is; the sinks are decoded again just below it (re-anchored)
// whenever they lag too far behind. Between two steps, with sinks at [base, base + S) and window at [oldest, next):
//
//   base + S <= oldest                     sinks lie below the window
//   oldest - (base + S) < reanchor_every   and not far below it
//   next - oldest <= W                     the window holds at most W tokens
//   nothing has left while next - base <= S + W
//   next - base <= trained_length          no token sees farther than the model was trained to
class SinkCache {
 public:
  struct Limits {
    int sinks;           // S, the paper's start_size
    int window;          // W, the paper's recent_size
    int reanchor_every;  // G: 1 is the paper to the letter
    int trained_length;  // longest distance between a token and the first sink
    bool evicts;         // false: the dense policy, which keeps everything until `capacity` tokens
    int capacity;        // for the dense policy
  };

  // What one batch of `count` tokens of this sequence does to the cache.
  struct Step {
    Position first;  // where the batch's first token goes
    int count;
    Position evict_from, evict_to;  // window positions that leave right after the decode: [from, to)
    bool reanchor;                  // decode the sinks once more, in the same batch ...
    Position sinks_at;              // ... from this position on: just below what will then be the oldest token
  };

  struct Mark {
    Position base, oldest, next;
  };

  explicit SinkCache(Limits limits);

  // Tokens that the next batch may hold at most. 0: a dense cache is full.
  int room() const;
  // `prompt`: this batch is not a single generated token, so re-anchoring costs next to nothing.
  Step plan(int count, bool prompt) const;
  // The batch has been decoded, `tokens` are its step.count tokens.
  void commit(const Step& step, const Token* tokens);

  Mark mark() const { return {base_, oldest_, next_}; }
  // Back to an earlier state. The evicted tokens since then must still be known: see release().
  void rollback(const Mark& mark);
  // States older than one whose oldest token was `oldest` will not be asked for again.
  void release(Position oldest);

  // Makes the first `count` tokens the sinks; the cache's total stays. Only while nothing has been evicted.
  // False, and nothing changed, otherwise, or where no window would be left.
  bool pin(int count);
  // Empties the cache and returns what it held, sinks first: decoded again from position 0, that is a rebase.
  std::vector<Token> restart();

  const Limits& limits() const { return limits_; }
  const std::vector<Token>& sinks() const { return sinks_; }
  Position base() const { return base_; }
  Position oldest() const { return oldest_; }
  Position next() const { return next_; }
  // Tokens in the cache.
  int size() const;
  // Sinks first, then the window.
  std::vector<Token> kept() const;
  // Null if the invariants above hold, else the one that does not.
  const char* broken_invariant() const;

 private:
  Limits limits_;
  Position base_ = 0;
  Position oldest_;
  Position next_ = 0;
  std::vector<Token> sinks_;
  std::deque<Token> recent_;  // tokens at positions [held_, next_), held_ <= oldest_
  Position held_;
};

}  // namespace streaming
