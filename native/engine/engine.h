#pragma once
#include <functional>
#include <map>
#include <thread>

#include "engine/command_queue.h"
#include "engine/decode_pace.h"
#include "engine/llama_context.h"
#include "engine/reservations.h"
#include "engine/sequence.h"
#include "llama/model.h"
#include "speculation/draft_length.h"
#include "support/failure.h"

namespace streaming {

// How many tokens the engine runs ahead of a reader. Enough that JavaScript never waits for the engine, few enough
// that taking them back costs nothing. Drafts that are accepted come on top of it, once.
constexpr int kRunAhead = 16;
// Tokens from one checkpoint of a recurrent state to the next: more than a reader may be behind, with a few that wait
// for the rest of a character or of a stop string.
constexpr int kCheckpointEvery = kRunAhead + 8;
// Tokens of a prompt that are decoded together, at least, where each pushes another out.
constexpr int kSmallestPart = 16;

class Batch;

// One thread that owns one llama.cpp context and all the sequences in it. Each round it makes one batch of all that
// is ready (one token of each generating sequence first, then prompts, each with its sinks where they move), decodes
// it, samples and fills the streams. The other threads only post commands and read streams.
class Engine {
 public:
  Engine(std::shared_ptr<Model> model, const ContextOptions& options);
  ~Engine();  // as stop()

  // JavaScript's thread. open() throws Failure WINDOW_TOO_LARGE or NO_SEQUENCE_LEFT; the rest never throws.
  int open(const CachePolicy::Limits& limits, Position rebase_after, bool verify);
  // Another sequence that goes on from where this one is, once it is idle. Throws as open().
  int fork(int handle);
  void close(int handle);
  void start(int handle, Job job);
  std::shared_ptr<TokenStream> make_stream();
  int cells() const { return context_.cells(); }
  // Ends the thread, within one layer of the model on a CPU; streams in flight end with CLOSED. Idempotent.
  void stop();

 private:
  struct Part;
  struct SavedState {
    Sequence* sequence;
    const SequenceId* id;
    std::vector<uint8_t> bytes;
  };

  void run();
  bool step();
  void admit();
  void drop_cancelled();
  bool make_room(Sequence& sequence, const Sequence* spared = nullptr);
  void begin(int handle, Sequence& sequence);
  static bool late(const Running& running);
  void place(Sequence& sequence);
  bool may_unload() const;
  void unload();
  void swap_out(Sequence& sequence);
  std::vector<uint8_t> saved(Sequence& sequence);
  const char* restore_saved(Sequence& sequence, const std::vector<uint8_t>& state);
  bool read_cells(const Sequence& sequence, const std::vector<uint8_t>& cells);
  void attend(Sequence& sequence);
  bool waits_for_beginning(Sequence& sequence);
  bool ready(const Sequence& sequence) const;
  bool cut_for_eviction(const Sequence& sequence, int left, int& count) const;
  bool add_part(Batch& batch, Sequence& sequence, std::vector<Part>& parts);
  void put(Batch& batch, Part& part) const;
  void decode_parts(Batch& batch, std::vector<Part>& parts);
  void complete(std::vector<Part>& parts, double elapsed_ms);
  void give_up(Part& part, const Failure& failure);
  void after_decode(Part& part, double elapsed_ms);
  void hold(const Sequence& sequence, Position from, Position to);
  void evict(Sequence& sequence, const CachePolicy::Step& step);
  Token sample(Sequence& sequence, const float* logits, const CachePolicy::Mark& mark, Token before,
               int64_t evicted_before);
  bool can_speculate(const Sequence& sequence) const;
  void begin_speculation(Sequence& sequence);
  int draft(const Batch& batch, Sequence& sequence);
  void learn_from(Sequence& sequence, Token token, int place);
  void after_drafts(Part& part, double elapsed_ms);
  void score(Sequence& sequence, const float* logits);
  void settle(Sequence& sequence);
  void settle_delivered(Sequence& sequence);
  void release_held(Sequence& sequence);
  void take_back(Sequence& sequence, size_t delivered_bytes);
  void undo(Sequence& sequence, const Record& record);
  bool has_bookmarks(const Sequence& sequence) const;
  void restore(Sequence& sequence, const Record& record);
  void bookmark(Sequence& sequence);
  void forget_bookmarks(Sequence& sequence);
  void finish(Sequence& sequence, const char* reason);
  void fail(Sequence& sequence, const std::string& code, const std::string& message);
  // Does something for a sequence's job, which fails where that does. Nothing that is thrown leaves the engine's
  // thread.
  template <class F>
  void attempt(Sequence& sequence, F&& act) {
    try {
      act();
    } catch (const Failure& failure) {
      fail(sequence, failure.code, failure.what());
    } catch (const std::exception& error) {
      fail(sequence, "OUT_OF_MEMORY", no_memory(error));
    }
  }
  static std::string no_memory(const std::exception& error);
  void end_interrupted(Sequence& sequence);
  bool rebase_due(const Sequence& sequence) const;
  bool can_rebase(const Sequence& sequence) const;
  void begin_rebase(Sequence& sequence);
  void restart(Sequence& sequence);
  void start_over(Sequence& sequence);
  void decode_again(Sequence& sequence);
  void clear(Sequence& sequence);
  void cut(Sequence& sequence, int64_t keep);
  void replace_sinks(int handle, Sequence& sequence);
  void copy(const Sequence& from, Sequence& to);
  void decode_sinks(Sequence& sequence, const SequenceId& id, Position at);
  void move_to(Sequence& sequence, SequenceId id, Position old_base);
  bool holds_newest(const Sequence& sequence) const;
  bool holds_what_is_seen(const Sequence& sequence);
  bool holds_kept(const Sequence& sequence);
  bool holds_all(const SequenceId& id, Position from, Position to, bool windowed);
  static bool counts_all(int64_t seen, int64_t evicted, const CachePolicy& cache, size_t pending);
  void verify(const Sequence& sequence);
  void decode(Batch& batch);
  bool is_reproducible() const;

  int ids_needed() const;
  void ensure_cells();
  std::vector<SavedState> save_states();
  void restore_states(const std::vector<SavedState>& saved);

  std::shared_ptr<Model> model_;  // given back by stop(), whoever still holds the engine
  const int sliding_window_;      // how far its windowed layers see; 0 where there are none
  const bool recurrent_;          // it has a recurrent state, alone or beside attention ...
  const bool hybrid_;             // ... the latter
  const ContextOptions options_;

  CommandQueue commands_;
  Reservations reservations_;
  std::thread thread_;

  // The engine's thread alone.
  LlamaContext context_;
  std::map<int, Sequence> sequences_;
  std::vector<int> queue_;  // handles of those that wait for a place, the longest first
  uint64_t jobs_ended_ = 0;
  std::unique_ptr<Batch> batch_;
  DecodePace pace_;
  BatchCost batch_cost_;
  int prompts_added_ = 0, drafts_added_ = 0;  // in the batch in the making
  int prompt_room_ = 0;                       // tokens of prompts that the batch in the making may still take
  int first_served_ = 0;                      // the handle that comes first in the next batch, so that none starves
};

}  // namespace streaming
