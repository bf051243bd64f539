#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "engine/job.h"
#include "engine/pending_tokens.h"
#include "engine/sequence_id.h"
#include "engine/speculation.h"
#include "engine/swapped_state.h"
#include "policy/cache_policy.h"
#include "support/clock.h"

namespace streaming {

// A generated token that the reader may not have seen yet, and the way back to before it was sampled.
struct Record {
  CachePolicy::Mark mark;  // the cache before the decode that this token was sampled from ...
  Token before;            // ... which was the decode of this token
  int64_t evicted;
  Token token;
  size_t end;   // bytes of text up to and with this token
  bool silent;  // it has no text: it is delivered with what follows
  bool delivered(size_t bytes) const { return silent ? end < bytes : end <= bytes; }
};

// A whole earlier state, kept under a sequence id of its own: for memories with a recurrent part, from which single
// tokens cannot be taken back. Metadata only; the state is copied when the sequence goes on.
struct Bookmark {
  SequenceId id;
  CachePolicy::Mark mark;
  int64_t evicted;
};

// A job in progress.
struct Running {
  Job job;
  std::unique_ptr<Generation> generation;  // from begin() on, where the job generates
  std::deque<Record> journal;              // the last of the `generated` tokens: those not known to be delivered
  bool journal_waits = false;              // its tokens wait to be decoded again, the last of `pending`
  std::deque<Bookmark> bookmarks;          // oldest first; the first is not younger than the journal's first token
  int64_t generated = 0;
  int64_t cut_tokens = 0;  // of the first part of a token that a stop string cut, which are in no record ...
  size_t cut_end = 0;      // ... and where it ends in the text
  int64_t drafted = 0, accepted = 0;
  int64_t prompt_total = 0, prompt_done = 0;
  int64_t reused = 0;  // of these, tokens that another conversation had decoded
  bool in_prompt = true;
  size_t scored = 0;
  bool waiting = true;  // for a place in the cache
  bool ended = false;
  const char* ending = nullptr;  // the reason for which it ends, once all of the round's logits have been read
  Clock::time_point started = Clock::now();
  double prompt_ms = 0, generation_ms = 0;

  // Bytes of the reply whose text has been put into the stream.
  size_t emitted_bytes() const { return generation ? generation->emitted_bytes() : 0; }
};

// One conversation as the engine sees it. Lives on the engine's thread alone.
struct Sequence {
  Sequence(const CachePolicy::Limits& limits, Position rebases_after, bool is_verified)
      : cache(make_cache_policy(limits)), rebase_after(rebases_after), verify(is_verified) {}

  std::unique_ptr<CachePolicy> cache;
  Position rebase_after;
  bool verify;
  // Known but not yet decoded. While there is any history its last token is among them: it is decoded together with
  // what follows, since that is when its logits are needed.
  PendingTokens pending;
  int64_t seen = 0;     // tokens of the conversation, evicted and pending ones included
  int64_t evicted = 0;  // of these
  SequenceId current;   // llama.cpp's sequence id; changes when the sinks move
  SequenceId hold;      // a second id that keeps evicted cells alive until their eviction is final
  // Positions of which it has cells of its own, not those of `current`: the two part when the cache grows.
  Position own_from = 0, own_to = 0;
  SequenceId state;                                   // keeps the recurrent part during a rebase
  std::shared_ptr<const SwappedState> swapped;        // what the cache held when the place was given up; null: nothing
  bool swapped_is_longer = false;                     // its end has been cut off since
  std::shared_ptr<const SwappedState> swapped_state;  // likewise of `state`
  uint64_t used = 0;                                  // when its last job ended, counted in jobs
  bool restored = false;  // its cells came from a file: nobody else's beginning, whatever its tokens
  bool in_batch = false;  // the batch in the making has tokens of it
  std::unique_ptr<Running> running;
  std::unique_ptr<Speculation> speculation;  // null until a job asks for it; from then on it hears of each token

  // The conversation's next token is known.
  void add(Token token) {
    pending.add(token);
    seen++;
    if (speculation) speculation->index.append(token);
  }
  // Its last tokens have never been. (Whoever calls takes them out of `pending` and the cache.)
  void forget(int64_t count) {
    seen -= count;
    if (speculation) speculation->index.remove(count);
  }
  // The last `count` tokens of the conversation that are still known.
  std::vector<Token> last_tokens(int count) const {
    std::vector<Token> tokens = cache->kept();
    tokens.insert(tokens.end(), pending.begin(), pending.end());
    if (tokens.size() > static_cast<size_t>(count)) tokens.erase(tokens.begin(), tokens.end() - count);
    return tokens;
  }
};

}  // namespace streaming
