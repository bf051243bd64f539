#pragma once
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "engine/batch_entry.h"
#include "engine/command_queue.h"
#include "engine/llama_context.h"
#include "engine/reservations.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/slot_table.h"
#include "engine/speculator.h"
#include "llama/model.h"
#include "support/failure.h"

namespace streaming {

// One thread that owns one llama.cpp context and all the sequences in it. Each round makes one batch of all sequences
// that are ready, decodes it, and gives each job its entry's results. The engine decides nothing about tokens, slots or
// order itself: it connects CachedTokens, SlotTable, Scheduler, Speculator and RunningJob. Other threads only post
// commands and read streams.
class Engine {
 public:
  Engine(std::shared_ptr<Model> model, const ContextOptions& options);
  ~Engine();  // as stop()

  // JavaScript's thread. open() throws Failure WINDOW_TOO_LARGE or NO_SEQUENCE_LEFT; the rest never throws.
  int open(const CachePolicy::Limits& limits, Position rebase_after, bool verifies);
  // Another sequence that continues from this one's state, once it is idle. Throws as open().
  int fork(int handle);
  void close(int handle);
  void start(int handle, Job job);
  std::shared_ptr<TokenStream> make_stream();
  int cells() const { return context_.cells(); }
  // Ends the thread, within one layer of the model on a CPU; streams in flight end with CLOSED. Idempotent.
  void stop();

 private:
  void run();
  bool may_unload() const;
  void unload();

  // ---- jobs
  void begin_or_enqueue(Sequence& sequence);
  void begin(Sequence& sequence);
  void service(Sequence& sequence);
  void retire(Sequence& sequence);
  // Calls `act` for a sequence's job; what it throws fails the job. No exception leaves the engine's thread.
  template <class F>
  void attempt(Sequence& sequence, F&& act);

  // ---- slots
  void drop_cancelled();
  void admit();
  int64_t cells_of(const Sequence& sequence) const;
  bool free_slot_for(const Sequence& sequence, const Sequence* copied_from = nullptr);
  bool may_assign_slot_now(const Sequence& sequence);
  void assign_slot(Sequence& sequence);
  void copy(const Sequence& from, Sequence& to);

  // ---- a round
  bool step();
  bool ready(const Sequence& sequence) const;
  bool share_prefix(Sequence& sequence);
  bool add_entry(Sequence& sequence, std::vector<BatchEntry>& entries);
  void put(BatchEntry& entry);
  void decode_entries(std::vector<BatchEntry>& entries);
  void decode();
  void complete(std::vector<BatchEntry>& entries, double elapsed_ms);
  bool is_reproducible() const;

  std::shared_ptr<Model> model_;  // released by stop(), even if the engine is still referenced
  const ContextOptions options_;
  const MemoryKind memory_;

  CommandQueue commands_;
  Reservations reservations_;
  std::thread thread_;

  // The engine's thread alone.
  LlamaContext context_;
  SlotTable slots_;
  Scheduler scheduler_;
  Speculator speculator_;
  std::map<int, Sequence> sequences_;
  Batch batch_;
  uint64_t jobs_ended_ = 0;
};

}  // namespace streaming
