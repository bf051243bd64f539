#pragma once
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sampler.h"
#include "sink_cache.h"
#include "text_assembler.h"
#include "token_stream.h"

namespace streaming {

using Clock = std::chrono::steady_clock;

// What is asked of a sequence: one at a time.
struct Job {
  enum Kind { append, score, generate, rebase } kind;
  std::vector<Token> tokens;  // to be added first; for score, to be scored
  int64_t max_tokens = 0;     // 0: no limit
  double time_limit_ms = 0;   // 0: no limit
  std::vector<std::string> stops;
  SamplingOptions sampling;
  std::shared_ptr<TokenStream> stream;
};

// A generated token that the reader may not have seen yet, and the way back to before it was sampled.
struct Record {
  SinkCache::Mark mark;  // the cache before the decode that this token was sampled from ...
  Token before;          // ... which was the decode of this token
  int64_t evicted;
  Token token;
  size_t end;  // bytes of text up to and with this token
};

// A job in progress.
struct Running {
  Job job;
  std::unique_ptr<Sampler> sampler;
  TextAssembler text{{}};
  std::deque<Record> journal;  // the last of the `generated` tokens: those not known to be delivered
  int64_t generated = 0;
  size_t bytes = 0;          // of all generated tokens
  size_t emitted_bytes = 0;  // of those whose text has been put into the stream
  int64_t prompt_total = 0;
  bool in_prompt = true;
  size_t scored = 0;
  bool ended = false;
  Clock::time_point started = Clock::now();
  double prompt_ms = 0, generation_ms = 0;
};

// One conversation as the engine sees it. Lives on the engine's thread alone.
struct Sequence {
  Sequence(SinkCache::Limits limits, Position rebase_after, bool verify)
      : cache(limits), rebase_after(rebase_after), verify(verify) {}

  SinkCache cache;
  Position rebase_after;
  bool verify;
  // Known but not yet decoded. While there is any history its last token is among them: it is decoded together with
  // what follows, since that is when its logits are needed.
  std::deque<Token> pending;
  int64_t seen = 0;     // tokens of the conversation, evicted and pending ones included
  int64_t evicted = 0;  // of these
  size_t rebasing = 0;  // how many of `pending` are kept tokens that a rebase decodes again
  int current = -1;     // llama.cpp's sequence id; changes when the sinks move
  int hold = -1;        // a second id that keeps evicted cells alive until their eviction is final
  std::unique_ptr<Running> running;

  // The last `count` tokens of the conversation that are still known.
  std::vector<Token> last_tokens(int count) const {
    std::vector<Token> tokens = cache.kept();
    tokens.insert(tokens.end(), pending.begin(), pending.end());
    if (tokens.size() > static_cast<size_t>(count)) tokens.erase(tokens.begin(), tokens.end() - count);
    return tokens;
  }
};

}  // namespace streaming
