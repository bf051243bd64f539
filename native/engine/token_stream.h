#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "llama/probabilities.h"

namespace streaming {

// The events of one job, for JavaScript.
namespace events {

// Tokens of the prompt that have been decoded, of how many.
struct Prefill {
  int64_t done, total;
};
struct Text {
  std::string text;
  std::vector<TokenProbability> probabilities;  // of the tokens that end in it, where they were asked for
};
// Tokens that were evicted, and how many there have been of the whole sequence.
struct Evict {
  int64_t tokens, total;
};
// All tokens that are kept have been decoded again.
struct Rebase {
  int64_t tokens;
};
struct Scores {
  std::vector<float> values;
};
// Tokens of the whole sequence when a job ends: evicted and pending ones included, those that are kept, those that have
// left.
struct Counts {
  int64_t seen = 0, cached = 0, evicted = 0;
};
struct Finish {
  std::string reason;
  std::vector<int32_t> tokens = {};  // the reply's, where a test has asked for them; or what is kept
  std::vector<uint8_t> state = {};   // what was saved
  int64_t prompt_tokens = 0, reused_tokens = 0, completion_tokens = 0;
  int64_t drafted_tokens = -1, accepted_tokens = 0;  // -1: speculation was not asked for
  double prompt_ms = 0, generation_ms = 0;
  Counts counts = {};
};
struct Error {
  std::string code, message;
  Counts counts = {};
};

using Any = std::variant<Prefill, Text, Evict, Rebase, Scores, Finish, Error>;
// The last one of a job.
using Last = std::variant<Finish, Error>;

}  // namespace events

// The queue between the engine's thread and one reader. Bounded: events that pile up are merged, text is limited by how
// far the engine runs ahead of the reader, scores by the job's tokens. The engine holds one end and JavaScript's object
// the other; a mutex guards everything.
class TokenStream {
 public:
  // `notify_engine` wakes the engine: the reader has taken something or wants to stop.
  explicit TokenStream(std::function<void()> notify_engine) : notify_engine_(std::move(notify_engine)) {}

  // The engine's end. After a cancel only end() has an effect.
  void add_prefill(int64_t done, int64_t total);
  void add_text(const std::string& text, size_t bytes, int tokens, std::vector<TokenProbability> probabilities = {});
  void add_evicted(int64_t tokens, int64_t total);
  void add_rebase(int64_t tokens);
  void add_scores(const std::vector<float>& values);
  // Adds the last event. May be called again after a cancel, until the reader has taken the event.
  void end(events::Last event);
  // Nothing more follows, whatever the reader does. This is the last event unless there is one already.
  void close(events::Error event);
  bool cancelled() const;
  bool closed() const;  // the last event has been taken
  // Bytes (of tokens, see TextAssembler) whose text the reader has taken, and tokens it has yet to take.
  size_t delivered_bytes() const;
  int waiting_tokens() const;

  // The reader's end, on JavaScript's thread.
  std::optional<events::Any> take();
  void cancel();
  // cancel(), and the last event will not be taken.
  void abandon();
  // Calls `wake` once, on whatever thread, as soon as take() has something. At once if it has.
  void wait(std::function<void()> wake);

 private:
  // Evictions come with each token once the cache is full; one event reports many.
  static constexpr int64_t kEvictionsOfAnEvent = 64;
  bool something_to_take() const;
  events::Any take_next();
  void wake_reader(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::function<void()> notify_engine_;
  std::function<void()> wake_;
  std::optional<events::Prefill> prefill_begins_, prefill_;
  std::optional<events::Rebase> rebase_;
  std::optional<events::Last> last_;
  std::string text_;
  size_t text_bytes_ = 0, delivered_bytes_ = 0;
  int waiting_tokens_ = 0;
  int64_t evicted_ = 0, evicted_total_ = 0;
  std::vector<float> scores_;
  std::vector<TokenProbability> probabilities_;
  bool cancelled_ = false, abandoned_ = false, is_final_ = false, closed_ = false;
};

}  // namespace streaming
