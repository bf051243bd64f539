#pragma once
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/pending_tokens.h"
#include "engine/sequence_id.h"
#include "engine/speculation.h"
#include "engine/swapped_state.h"
#include "engine/text_assembler.h"
#include "engine/token_stream.h"
#include "llama/constraint.h"
#include "llama/probabilities.h"
#include "llama/sampler.h"
#include "policy/cache_policy.h"

namespace streaming {

using Clock = std::chrono::steady_clock;

inline double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// What is asked of a sequence: one at a time.
struct Job {
  enum Kind {
    append,
    add,  // as append, but its tokens wait, to be decoded with the next job
    score,
    generate,
    rebase,
    cut,            // forgets the tokens of the conversation behind the first `keep`
    replace_sinks,  // by `tokens`
    look,           // its finish tells all tokens that are kept
    save,           // its finish tells all that a sequence of the same kind needs to be as this one
    restore,        // the opposite, for a sequence that is empty
  } kind;
  std::vector<Token> tokens;   // to be added first; for score, to be scored
  std::vector<int> turns;      // where among them turns begin
  int64_t keep = 0;            // cut: tokens of the conversation that stay
  std::vector<uint8_t> state;  // restore: what save told ...
  bool tokens_alone = false;   // ... of which the cells are of no use
  double priority = 0;         // who comes first where several wait for a place in the cache: the highest
  int64_t max_tokens = 0;      // 0: no limit
  double time_limit_ms = 0;    // 0: no limit
  std::vector<std::string> stops;
  SamplingOptions sampling;
  std::string grammar;                // that the reply must follow; empty: none
  std::vector<std::string> triggers;  // texts from which on it must; none: from the start
  int alternatives = -1;              // how many likely tokens to tell with each; -1: no probabilities at all
  std::vector<Token> shown;           // control tokens that are text of the reply, by their names
  bool speculation = false;
  // For tests: of the reply that these tokens foretell, always so many are drafted; where the number is negative,
  // drafts are what they would be. Its finish tells its tokens.
  struct Forced {
    std::vector<Token> tokens;
    int count;
  };
  std::shared_ptr<const Forced> forced;
  std::shared_ptr<TokenStream> stream;
};

// Where none was chosen.
constexpr Token kNoToken = -1;

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
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Constraint> constraint;  // null: none
  std::deque<TokenProbability> told;       // of tokens whose text is not yet in the stream
  TextAssembler text{{}};
  std::deque<Record> journal;      // the last of the `generated` tokens: those not known to be delivered
  bool journal_waits = false;      // its tokens wait to be decoded again, the last of `pending`
  std::deque<Bookmark> bookmarks;  // oldest first; the first is not younger than the journal's first token
  int64_t generated = 0;
  int64_t cut_tokens = 0;  // of the first part of a token that a stop string cut, which are in no record ...
  size_t cut_end = 0;      // ... and where it ends in the text
  int64_t drafted = 0, accepted = 0;
  size_t bytes = 0;          // of all generated tokens
  size_t emitted_bytes = 0;  // of those whose text has been put into the stream
  int64_t prompt_total = 0, prompt_done = 0;
  int64_t reused = 0;  // of these, tokens that another conversation had decoded
  bool in_prompt = true;
  size_t scored = 0;
  bool waiting = true;  // for a place in the cache
  bool ended = false;
  const char* ending = nullptr;  // the reason for which it ends, once all of the round's logits have been read
  Clock::time_point started = Clock::now();
  double prompt_ms = 0, generation_ms = 0;
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
