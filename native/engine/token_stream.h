#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "llama/probabilities.h"

namespace streaming {

// What JavaScript is told about one job. One struct for all kinds: `type` says which fields mean something.
struct StreamEvent {
  enum Type { prefill, text, evict, rebase, scores, finish, error } type;
  int64_t done = 0, total = 0;              // prefill; evict and rebase use `done` for the number of tokens
  std::string content = {};                 // text; the message of an error
  std::string reason = {};                  // why it finished; the code of an error
  std::vector<float> values = {};           // scores
  std::vector<TokenProbability> told = {};  // text: of its tokens, where they were asked for
  std::vector<int32_t> tokens = {};         // finish: the reply's, where a test has asked for them; or what is kept
  std::vector<uint8_t> state = {};          // finish: what was saved
  int64_t prompt_tokens = 0, reused_tokens = 0, completion_tokens = 0, seen_tokens = 0, cached_tokens = 0,
          evicted_tokens = 0;
  int64_t drafted_tokens = -1, accepted_tokens = 0;  // -1: speculation was not asked for
  double prompt_ms = 0, generation_ms = 0;
};

// The queue between the engine's thread and one reader. Bounded, because what piles up is merged: one text, one
// count of evictions. The engine holds its end and JavaScript's object the other; a mutex guards everything.
class TokenStream {
 public:
  // `poke` wakes the engine: the reader has taken something or wants to stop.
  explicit TokenStream(std::function<void()> poke) : poke_(std::move(poke)) {}

  // The engine's end. After a cancel only end() still counts.
  void add_prefill(int64_t done, int64_t total);
  void add_text(const std::string& text, size_t bytes, int tokens, std::vector<TokenProbability> told = {});
  void add_evicted(int64_t tokens, int64_t total);
  void add_rebase(int64_t tokens);
  void add_scores(const std::vector<float>& values);
  // The last event. May be given again after a cancel, as long as the reader has not taken it.
  void end(StreamEvent event);
  // Nothing more will be said, whatever the reader does: the last event is this one, where there is none yet.
  void close(StreamEvent event);
  bool cancelled() const;
  bool closed() const;  // the last event has been taken
  // Bytes (of tokens, see TextAssembler) whose text the reader has taken, and tokens it has yet to take.
  size_t delivered_bytes() const;
  int waiting_tokens() const;

  // The reader's end, on JavaScript's thread.
  std::optional<StreamEvent> take();
  void cancel();
  // cancel(), and nobody will take the last event.
  void abandon();
  // Calls `wake` once, on whatever thread, as soon as take() has something. At once if it has.
  void wait(std::function<void()> wake);

 private:
  // Evictions come with each token once the cache is full; they are told in lots.
  static constexpr int64_t kEvictionsToldAtOnce = 64;
  bool something_to_take() const;
  void wake_reader(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::function<void()> poke_;
  std::function<void()> wake_;
  std::optional<StreamEvent> prefill_begins_, prefill_, rebase_, last_;
  std::string text_;
  size_t text_bytes_ = 0, delivered_bytes_ = 0;
  int waiting_tokens_ = 0;
  int64_t evicted_ = 0, evicted_total_ = 0;
  std::vector<float> scores_;
  std::vector<TokenProbability> told_;
  bool cancelled_ = false, abandoned_ = false, is_final_ = false, closed_ = false;
};

}  // namespace streaming
