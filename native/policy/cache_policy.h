#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "policy/byte_stream.h"
#include "support/tokens.h"

namespace streaming {

// Which tokens of one conversation are in the KV cache, and where. Plain bookkeeping: it knows no llama.cpp, no
// JavaScript and no thread; its owner calls it from one thread.
//
// The engine asks for a plan of the next batch, has llama.cpp decode it, evicts what the plan says, and commits it. If
// a policy cannot go on in place, must_restart() returns true, and the engine decodes again what restart() returns.
class CachePolicy {
 public:
  enum Kind {
    streaming,  // sinks and window, without end: sink_cache.h. Without sinks it is the paper's window attention
    dense,      // everything, until the window is full
    recompute,  // the last sinks + window tokens decoded afresh for each new one: the paper's sliding window with
                // recomputation
    refill,     // sinks and half of the window decoded again when it is full: for positions that cannot be moved
  };
  // A value of reanchor_every: positions mean nothing to this model, so the sinks may stay where they are.
  static constexpr int kNever = 1 << 30;
  // No position is higher. It is so far below the largest number that adding any size does not overflow.
  static constexpr Position kLastPosition = kNever + kNever / 2;

  struct Limits {
    Kind kind;
    int sinks;           // S, the paper's start_size
    int window;          // W, the paper's recent_size; for dense: tokens in all
    int reanchor_every;  // G: 1 is the paper to the letter
    int trained_length;  // longest distance between a token and the first sink
    Position first;      // where the first token goes
    bool by_turn;        // whole turns leave, as begin_turn() tells them apart; a turn larger than the window by tokens
  };

  // What one batch of `count` tokens does to the cache.
  struct Step {
    Position first;  // where the batch's first token goes
    int count;
    Position evict_from, evict_to;  // window positions that leave right after the decode: [from, to)
    bool reanchor;                  // decode the sinks once more, in the same batch ...
    Position sinks_at;              // ... from this position on: just below what will then be the oldest token
  };

  // A state to roll back to. What its numbers mean is up to the policy.
  struct Mark {
    Position base, oldest, next;
  };

  struct Restart {
    std::vector<Token> to_decode;  // to be decoded from position 0, before the coming tokens
    size_t skipped;                // coming tokens that need not be decoded: later ones push them out unseen
    int64_t evicted;               // tokens evicted, skipped ones included
    size_t known;                  // how many of `to_decode` the policy still knows, and will give back again if asked
  };

  explicit CachePolicy(const Limits& limits) : limits_(limits) {}
  virtual ~CachePolicy() = default;
  CachePolicy& operator=(const CachePolicy&) = delete;

  // The most tokens that the next batch may hold. 0: must_restart() or, in a dense cache, the end.
  virtual int room() const = 0;
  // `prompt_ends`: this batch is the last one of a prompt, after which tokens come singly.
  virtual Step plan(int count, bool prompt_ends) const = 0;
  // The batch has been decoded, `tokens` are its step.count tokens.
  virtual void commit(const Step& step, const Token* tokens) = 0;

  // A turn begins at this position, which is not lower than next().
  virtual void begin_turn(Position) {}
  // Forgets the tokens from `from` on, which is not lower than the oldest token of the window unless nothing has left.
  // False: this policy must start again from nothing.
  virtual bool cut(Position /*from*/) { return false; }
  // Replaces the sinks by other tokens, in any number; the window gets what they leave of both. A plan of 0 tokens then
  // says what no longer fits. It is committed with the position of the new sinks: just below the window. If there is no
  // room for them there, restart() follows. Only if the sinks are complete and move.
  virtual void replace_sinks(const std::vector<Token>&) {}
  virtual std::unique_ptr<CachePolicy> clone() const = 0;
  // Everything but its limits, for an empty cache with the same limits. load() throws Failure INVALID_OPTION for bytes
  // that no save() can have written.
  virtual void save(ByteWriter& to) const = 0;
  virtual void load(ByteReader& from) = 0;

  // An empty cache takes over a prefix that another conversation has decoded: its tokens, from a first position on.
  virtual void adopt_prefix(Position, const std::vector<Token>&) {}
  // The prefix that another conversation may take over: tokens from position lowest() on that have seen nothing that is
  // gone.
  virtual std::vector<Token> shareable_prefix() const { return {}; }

  virtual Mark mark() const = 0;
  // Back to an earlier state, whose tokens must still be known: see release(). False: the cells of llama.cpp's cache
  // are those of a later restart, so restart() once more.
  virtual bool rollback(const Mark& mark) = 0;
  // States before this one will not be asked for again.
  virtual void release(const Mark& mark) = 0;

  virtual bool must_restart(size_t /*coming*/) const { return false; }
  // Empties the cache. For the streaming policy that is a rebase.
  virtual Restart restart(size_t coming) = 0;

  const Limits& limits() const { return limits_; }
  // The first tokens, as far as they are in the cache and stay for good.
  const std::vector<Token>& sinks() const { return sinks_; }
  // Positions in use are [lowest, next); the streaming policy has a gap between sinks and window.
  virtual Position lowest() const = 0;
  virtual Position next() const = 0;
  virtual int size() const = 0;
  // What is in the cache, oldest first.
  virtual std::vector<Token> kept() const = 0;
  // The tokens at positions [from, to), evicted ones included as long as they are not released.
  virtual std::vector<Token> between(Position from, Position to) const = 0;
  // Null if the policy's invariants hold, else the one that does not.
  virtual const char* broken_invariant() const = 0;

 protected:
  CachePolicy(const CachePolicy&) = default;  // for clone()
  // For load().
  static void check_position(Position position) {
    if (position < 0 || position > kLastPosition)
      throw Failure("INVALID_OPTION", "a saved state has positions that cannot be");
  }
  static Position take_position(ByteReader& from) {
    const auto position = from.take<Position>();
    check_position(position);
    return position;
  }
  void take_turns(ByteReader& from, std::deque<Position>& turns) const {
    from.take_list(turns);
    for (const Position turn : turns) check_position(turn);
    if (!std::is_sorted(turns.begin(), turns.end()) || (!limits_.by_turn && !turns.empty()))
      throw Failure("INVALID_OPTION", "a saved state has turns that cannot be");
  }

  Limits limits_;
  std::vector<Token> sinks_;
};

std::unique_ptr<CachePolicy> make_cache_policy(const CachePolicy::Limits& limits);

}  // namespace streaming
