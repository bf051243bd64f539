#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/cache_growth.h"
#include "engine/prefix_sharing.h"
#include "engine/saved_sequence.h"
#include "support/at_exit.h"
#include "support/failure.h"

namespace streaming {
namespace {

MemoryKind memory_of(const Model& model) {
  const auto& info = model.info();
  return {info.sliding_window, info.recurrent || info.hybrid, info.hybrid};
}

std::string no_memory(const std::exception& error) {
  return std::string("the engine could not go on (") + error.what() +
         "); use a smaller window, fewer sequences, or kvType 'q8_0'";
}

const events::Error sequence_closed{.code = "CLOSED", .message = "the sequence was closed"};
const events::Error model_closed{.code = "CLOSED", .message = "the model was closed"};

}  // namespace

Engine::Engine(std::shared_ptr<Model> model, const ContextOptions& options)
    : model_(std::move(model)),
      options_(options),
      memory_(memory_of(*model_)),
      reservations_(options, memory_.recurrent),
      context_(*model_, options, [this] { return commands_.stopping(); }),
      slots_(options.max_sequences, options.cache_tokens, options.batch_size),
      scheduler_(options.batch_size),
      batch_(options.batch_size) {
  std::lock_guard lock(AtExit::get().mutex);
  AtExit::get().stops.emplace(this, [this] { stop(); });
  thread_ = std::thread([this] { run(); });
}

Engine::~Engine() { stop(); }

// ---- JavaScript's thread

int Engine::open(const CachePolicy::Limits& limits, Position rebase_after, bool verifies) {
  const int handle = reservations_.reserve(limits);
  commands_.post([=, this] {
    if (!commands_.ended()) sequences_.try_emplace(handle, handle, context_, memory_, limits, rebase_after, verifies);
  });
  return handle;
}

int Engine::fork(int handle) {
  const int made = reservations_.reserve_like(handle);
  commands_.post([=, this] {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) return;
    auto& from = found->second;
    if (from.job && from.job->stream().closed()) retire(from);
    const auto& tokens = from.tokens;
    copy(
        from,
        sequences_.try_emplace(made, made, context_, memory_, tokens.limits(), tokens.rebase_after(), tokens.verifies())
            .first->second);
  });
  return made;
}

void Engine::close(int handle) {
  reservations_.release(handle);
  commands_.post([=, this] {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) return;
    if (found->second.job) found->second.job->stream().close(sequence_closed);
    slots_.remove(handle);
    sequences_.erase(found);
  });
}

void Engine::start(int handle, Job job) {
  commands_.post([this, handle, job = std::move(job)]() mutable {
    const auto found = sequences_.find(handle);
    if (commands_.ended() || found == sequences_.end())
      return job.stream->close(commands_.ended() ? model_closed : sequence_closed);
    auto& sequence = found->second;
    retire(sequence);
    sequence.job = std::make_unique<RunningJob>(std::move(job), model_, sequence.tokens, sequence.speculation);
    attempt(sequence, [&] { begin_or_enqueue(sequence); });
  });
}

std::shared_ptr<TokenStream> Engine::make_stream() {
  // The stream may outlive the engine, but no event that needs the engine is taken from it then: stop() ends every
  // stream first, and the JavaScript object keeps the engine alive.
  return std::make_shared<TokenStream>([this] { commands_.notify(); });
}

void Engine::stop() {
  std::lock_guard all(AtExit::get().mutex);
  AtExit::get().stops.erase(this);
  if (!thread_.joinable()) return;
  commands_.stop();
  thread_.join();
  model_.reset();
}

// ---- the engine's thread

void Engine::run() {
  bool more = false;
  std::vector<CommandQueue::Command> commands;
  for (;;) {
    const bool unloads = !more && may_unload();
    if (!commands_.wait(commands, more, unloads ? std::optional(options_.unload_after_ms) : std::nullopt)) {
      unload();
      continue;
    }
    // Commands are run even when stopping: a caller may wait for the answer.
    for (auto& command : commands) command();
    commands.clear();
    if (commands_.stopping()) break;
    more = step();
  }
  for (auto& [handle, sequence] : sequences_)
    if (sequence.job) sequence.job->stream().close(model_closed);
  sequences_.clear();
  context_.unload();
  // Runs the commands that have come meanwhile; later ones are run where they are posted.
  commands_.end();
}

// The weights and the cache of a model that is not used for a while are freed, and loaded again with the next job. Not
// while a job's tokens may still be rolled back.
bool Engine::may_unload() const {
  if (options_.unload_after_ms <= 0 || slots_.has_waiting()) return false;
  for (const auto& [handle, sequence] : sequences_)
    if (sequence.job) return false;
  return context_.has_weights() || model_->loaded();
}

// Each sequence keeps its tokens, and its cells are swapped out as for another sequence.
void Engine::unload() {
  for (auto& [handle, sequence] : sequences_)
    if (sequence.tokens.has_slot()) sequence.tokens.swap_out(options_.swap_folder);
  context_.unload();
  model_->unload();
}

// ---- jobs

template <class F>
void Engine::attempt(Sequence& sequence, F&& act) {
  try {
    act();
  } catch (const Failure& failure) {
    sequence.job->fail(failure.code, failure.what());
  } catch (const std::exception& error) {
    sequence.job->fail("OUT_OF_MEMORY", no_memory(error));
  }
}

// A job that needs no cells is done at once: undoing a turn must not wait for the slot that the turn waited for.
void Engine::begin_or_enqueue(Sequence& sequence) {
  auto& running = *sequence.job;
  auto& tokens = sequence.tokens;
  const auto& job = running.job();
  running.add_tokens();
  const auto* cut = job.as<jobs::Cut>();
  if (!cut && !job.is<jobs::Add>() && !job.is<jobs::ReadTokens>() && !job.is<jobs::Save>())
    return slots_.enqueue(sequence.handle, job.priority);
  running.stop_waiting();
  if (cut) {
    if (tokens.is_swapped() && tokens.cut_reaches_cells(cut->keep) && may_assign_slot_now(sequence))
      assign_slot(sequence);
    tokens.cut(cut->keep);
  }
  if (!job.is<jobs::Save>()) return running.finish("done");
  if (tokens.swapped_is_longer() && may_assign_slot_now(sequence)) assign_slot(sequence);
  running.finish("done", save_sequence(tokens));
}

// There is a slot for the job now.
void Engine::begin(Sequence& sequence) {
  auto& running = *sequence.job;
  auto& tokens = sequence.tokens;
  if (running.reproducible() && !is_reproducible()) context_.choose_fixed_threads();
  running.start();
  context_.fix_threads(is_reproducible());
  try {
    assign_slot(sequence);
    if (const auto* job = running.job().as<jobs::ReplaceSinks>()) {
      const int64_t evicted = tokens.evicted();
      tokens.replace_sinks(job->tokens, [&] {
        reservations_.replace(sequence.handle, tokens.limits());
        ensure_cells(context_, options_, memory_, sequences_);
      });
      running.report_evicted(tokens.evicted() - evicted);
      return running.finish("done");
    }
    if (const auto* job = running.job().as<jobs::Restore>()) {
      const char* how = restore_sequence(tokens, job->state, job->tokens_only, *model_);
      running.reused(tokens.policy().size());  // none where they are decoded again
      return running.finish(how);
    }
    running.begin_prompt(
        [this, &running] { return !commands_.stopping() && !running.stream().cancelled() && !running.out_of_time(); });
    // Between two turns no token is waited for, so this is the time.
    const bool half_way = tokens.policy().next() >= (tokens.rebase_after() + tokens.policy().size()) / 2;
    if ((running.job().is<jobs::Rebase>() || half_way) && tokens.can_rebase())
      running.requeue(CachedTokens::Requeue::rebase);
  } catch (const Failure& failure) {
    // Loading was aborted because the reader has left; service() ends the job as usual.
    if (failure.code == "ABORTED" && running.stream().cancelled()) return;
    running.fail(failure.code == "ABORTED" ? "CLOSED" : failure.code, failure.what());
  } catch (const std::exception& error) {
    running.fail("OUT_OF_MEMORY", no_memory(error));
  }
}

// Handles what a sequence's job needs before the next batch.
void Engine::service(Sequence& sequence) {
  auto& running = *sequence.job;
  auto& tokens = sequence.tokens;
  auto& stream = running.stream();
  attempt(sequence, [&] {
    if (stream.closed()) return;  // all that was due has been taken
    if (stream.cancelled()) return running.abort();
    tokens.release_delivered(stream.delivered_bytes());
    if (running.ended()) return;
    if (running.out_of_time()) return running.finish("time");
    if (running.has_scored_all()) return running.finish("done");
    if (tokens.must_requeue()) running.requeue(CachedTokens::Requeue::full);
    // A policy that recomputes everything for each token decodes nothing before a token is asked for.
    const bool recomputes = tokens.limits().kind == CachePolicy::recompute;
    const bool nothing_left = recomputes || (tokens.pending().size() <= 1 && !tokens.pending().rebasing());
    if (nothing_left && (running.job().is<jobs::Append>() || running.job().is<jobs::Rebase>()))
      return running.finish("done");
    // In mid-reply a rebase waits until nothing can be rolled back any more.
    if (tokens.rebase_due() && tokens.journal().empty()) running.requeue(CachedTokens::Requeue::rebase);
  });
  // An abandoned stream is closed by its last event, here and now: nothing else will wake the engine for the jobs that
  // wait for its slot.
  if (stream.closed()) retire(sequence);
}

// The job is over and its reader has taken all events: nothing is rolled back any more.
void Engine::retire(Sequence& sequence) {
  if (!sequence.job) return;
  sequence.tokens.release_delivered(sequence.job->stream().delivered_bytes());
  sequence.tokens.retire();
  sequence.job.reset();
  sequence.last_used = ++jobs_ended_;
}

// ---- slots

// Jobs that are cancelled while they wait are serviced like any other.
void Engine::drop_cancelled() {
  for (const int handle : slots_.waiting()) {
    auto& running = *sequences_.at(handle).job;
    if (!running.stream().cancelled()) continue;
    running.stop_waiting();
    slots_.remove(handle);
  }
}

void Engine::admit() {
  while (const auto handle = slots_.next()) {
    auto& sequence = sequences_.at(*handle);
    if (!free_slot_for(sequence)) return;
    slots_.remove(*handle);
    begin(sequence);
    service(sequence);
  }
}

int64_t Engine::cells_of(const Sequence& sequence) const {
  return cells_needed(sequence.tokens.limits(), memory_.recurrent);
}

// True: there is a slot for the sequence, or it has one. `copied_from` keeps its own: something is copied from it.
bool Engine::free_slot_for(const Sequence& sequence, const Sequence* copied_from) {
  if (sequence.tokens.has_slot()) return true;
  std::vector<SlotTable::Holder> holders;
  for (const auto& [handle, other] : sequences_) {
    if (other.tokens.has_slot())
      holders.push_back(
          {handle, cells_of(other), other.last_used, other.is_running(), other.is_waiting(), &other == copied_from});
  }
  const auto to_free = slots_.slots_to_free(cells_of(sequence), std::move(holders));
  if (!to_free) return false;
  for (const int handle : *to_free) sequences_.at(handle).tokens.swap_out(options_.swap_folder);
  return true;
}

// Without loading weights and without overtaking waiting jobs.
bool Engine::may_assign_slot_now(const Sequence& sequence) {
  return context_.has_weights() && !slots_.has_waiting() && free_slot_for(sequence);
}

void Engine::assign_slot(Sequence& sequence) {
  // Loading is aborted when the model is closed or the job is cancelled.
  context_.ensure_weights([&] { return !commands_.stopping() && !sequence.job->stream().cancelled(); });
  ensure_cells(context_, options_, memory_, sequences_);
  sequence.tokens.take_slot();
}

// Metadata only: both share the cells until one of them evicts its own. The source keeps its slot.
void Engine::copy(const Sequence& from, Sequence& to) {
  to.last_used = from.last_used;
  to.tokens.become_fork(from.tokens);
  if (!from.tokens.has_slot()) return;
  // If no slot can be freed now, the fork waits outside the cache with a copy of its cells.
  if (!free_slot_for(to, &from)) return to.tokens.copy_swapped(from.tokens, options_.swap_folder);
  try {
    ensure_cells(context_, options_, memory_, sequences_);
    to.tokens.become_fork(from.tokens);  // once more: growth may have requeued what `from` keeps
    to.tokens.share_cells(from.tokens);
  } catch (const std::exception&) {
    // It has no cells for now: it is decoded again when there are some.
    to.tokens.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
  }
}

// ---- a round

// False: nothing is ready, wait for a command or a reader.
bool Engine::step() {
  context_.fix_threads(is_reproducible());
  drop_cancelled();
  for (auto& [handle, sequence] : sequences_) {
    sequence.tokens.begin_round();
    if (sequence.is_running()) service(sequence);
  }
  admit();  // a job that has just ended may give up its slot
  context_.fix_threads(is_reproducible());

  batch_.clear();
  speculator_.begin_round();
  std::vector<int> handles;
  for (const auto& [handle, sequence] : sequences_) handles.push_back(handle);
  std::vector<BatchEntry> entries;
  for (const bool prompts : {false, true}) {
    if (prompts) scheduler_.begin_prompts(static_cast<int>(entries.size()), batch_.left());
    for (const int handle : scheduler_.order(handles)) {
      auto& sequence = sequences_.at(handle);
      if (!ready(sequence) || (sequence.tokens.pending().size() > 1) != prompts) continue;
      if (prompts && share_prefix(sequence)) continue;
      bool fits = true;
      attempt(sequence, [&] { fits = add_entry(sequence, entries); });
      if (!fits) break;
    }
  }
  if (entries.empty()) return false;
  scheduler_.end_round(handles);
  decode_entries(entries);
  return true;
}

bool Engine::ready(const Sequence& sequence) const {
  return sequence.is_running() && !sequence.job->ended() && !sequence.tokens.pending().empty() &&
         sequence.job->may_continue();
}

// Takes over what another sequence has of its prefix. True: another is about to decode more of it.
bool Engine::share_prefix(Sequence& sequence) {
  if (sequence.tokens.policy().size() > 0) return false;
  std::vector<PrefixHolder> others;
  for (const auto& [handle, other] : sequences_) others.push_back({&other.tokens, other.job && !other.job->ended()});
  const auto shared = find_shared_prefix(sequence.tokens, others, options_.batch_size);
  if (shared.from) {
    sequence.tokens.share_prefix(*shared.from, shared.length);
    sequence.job->reused(shared.length);
  }
  return shared.wait;
}

// Puts the sequence's next tokens into the batch. False: the batch is full.
bool Engine::add_entry(Sequence& sequence, std::vector<BatchEntry>& entries) {
  auto& running = *sequence.job;
  auto& tokens = sequence.tokens;
  const int left = batch_.left();
  if (left == 0) return false;
  // Several sequences split a hybrid's batch into ubatches, which breaks sliding windows.
  const bool alone = memory_.hybrid && memory_.sliding_window > 0;
  if (alone && !entries.empty()) return false;
  if (tokens.policy().room() == 0) {
    throw Failure("CACHE_FULL",
                  "the dense policy has filled its " + std::to_string(tokens.limits().window) +
                      " tokens and evicts nothing; use policy 'streaming', which never fills, or a larger window");
  }
  const auto step = scheduler_.next_step(tokens, running.keeps_last(), left);
  if (!step) return true;
  if (!tokens.holds_newest())
    throw Failure("DECODE_FAILED",
                  "the cache does not end where it should; what is kept is decoded again with the next turn");
  if (running.generates() && tokens.has_checkpoints() && tokens.pending().size() == 1) tokens.checkpoint_if_due();
  const auto other_singles = [&] {
    return static_cast<int>(std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
      return &entry.second != &sequence && entry.second.tokens.pending().size() == 1 && ready(entry.second);
    }));
  };
  BatchEntry entry{.sequence = &sequence, .step = *step, .tokens = {}, .sinks = {}};
  entry.drafts = running.draft(speculator_, {left, static_cast<int>(sequences_.size()), other_singles});
  if (step->reanchor) {
    entry.sinks = context_.take_id();
    const int sinks = static_cast<int>(tokens.policy().sinks().size());
    entry.sinks_apart = alone || step->count + sinks > left;
    if (entry.sinks_apart) tokens.decode_sinks(entry.sinks, step->sinks_at);
  }
  entry.tokens = tokens.claim(step->count);
  speculator_.added(entry.drafts);
  put(entry);
  entries.push_back(std::move(entry));
  return true;
}

// The entry's tokens, its drafts, and its sinks where they move along.
void Engine::put(BatchEntry& entry) {
  const auto& sequence = *entry.sequence;
  const auto& tokens = sequence.tokens;
  const auto& step = entry.step;
  const auto& job = sequence.job->job();
  const int id = tokens.cells().current().get();
  const bool all = entry.tokens.size() == tokens.pending().size() && !tokens.pending().rebasing();
  const bool output = all && (job.is<jobs::Generate>() || job.is<jobs::Score>());
  for (int i = 0; i < step.count; i++) {
    const bool last = output && i == step.count - 1;
    const int index = batch_.add(entry.tokens[static_cast<size_t>(i)], step.first + i, id, last);
    if (last) entry.logits_index = index;
  }
  for (int i = 0; i < entry.drafts; i++)
    batch_.add(sequence.speculation->drafts[static_cast<size_t>(i)], step.first + 1 + i, id, true);
  if (!step.reanchor || entry.sinks_apart) return;
  const auto& sinks = tokens.policy().sinks();
  for (size_t i = 0; i < sinks.size(); i++)
    batch_.add(sinks[i], step.sinks_at + static_cast<Position>(i), entry.sinks.get(), false);
}

// If a batch of several entries cannot be decoded, each is decoded by itself, so that one failure is one job's.
void Engine::decode_entries(std::vector<BatchEntry>& entries) {
  const auto begin = Clock::now();
  try {
    decode();
  } catch (const Failure& failure) {
    if (entries.size() == 1 || commands_.stopping()) {
      for (auto& entry : entries) {
        entry.sinks.reset();
        entry.sequence->job->fail(failure.code, failure.what());
      }
      return;
    }
    for (auto& entry : entries) {
      // An entry that the failure has requeued comes with a later batch.
      if (!entry.sequence->tokens.in_batch()) continue;
      std::vector<BatchEntry> alone;
      alone.push_back(std::move(entry));
      batch_.clear();
      if (alone.front().sinks && !alone.front().sinks_apart) context_.remove(alone.front().sinks, -1, -1);
      put(alone.front());
      decode_entries(alone);
    }
    return;
  }
  // A GPU may still be computing; reading logits waits for it, so that the measured time is right.
  const auto asked =
      std::find_if(entries.begin(), entries.end(), [](const BatchEntry& entry) { return entry.logits_index >= 0; });
  if (asked != entries.end()) context_.logits(asked->logits_index);
  const double elapsed = milliseconds(Clock::now() - begin);
  const auto count = [&](auto&& is) { return static_cast<int>(std::count_if(entries.begin(), entries.end(), is)); };
  const int singles = count([](const BatchEntry& entry) { return entry.step.count == 1; });
  const int singles_alone = count([](const BatchEntry& entry) { return entry.step.count == 1 && !entry.sinks; });
  if (singles_alone == static_cast<int>(entries.size())) speculator_.observe(batch_.size(), elapsed);
  if (count([](const BatchEntry& entry) { return entry.drafts > 0; }) == 0)
    scheduler_.observe(singles, batch_.size(), elapsed);
  complete(entries, elapsed);
}

// Throws as LlamaContext::decode(). Where that fails, the bookkeeping holds what was decoded and committed, and
// whatever the failed batch left in llama.cpp's cache goes.
void Engine::decode() {
  try {
    context_.decode(batch_);
  } catch (const Failure&) {
    if (commands_.stopping()) throw;
    for (auto& [handle, sequence] : sequences_)
      if (sequence.tokens.has_slot()) sequence.tokens.remove_uncommitted();
    throw;
  }
}

// The batch of these entries has been decoded.
void Engine::complete(std::vector<BatchEntry>& entries, double elapsed_ms) {
  // Ending a job may roll back tokens, which can take a decode. So all logits of this batch are read first.
  std::vector<std::pair<Sequence*, std::exception_ptr>> ended;
  for (auto& entry : entries) {
    try {
      entry.sequence->job->decoded(entry, context_, elapsed_ms);
    } catch (const std::exception&) {
      ended.emplace_back(entry.sequence, std::current_exception());
      entry.sinks.reset();  // rolling back may need the id
    }
  }
  for (const auto& [sequence, thrown] : ended) {
    attempt(*sequence, [&] {
      try {
        std::rethrow_exception(thrown);
      } catch (const Failure& failure) {
        if (failure.code != kInterrupted) throw;
        sequence->job->interrupted(commands_.stopping());
      }
    });
  }
  for (auto& entry : entries) attempt(*entry.sequence, [&] { entry.sequence->job->end_if_due(); });
}

// Whether a reply is in progress whose logits should be the same each time, to the last bit.
bool Engine::is_reproducible() const {
  return std::any_of(sequences_.begin(), sequences_.end(), [](const auto& entry) {
    const auto& sequence = entry.second;
    return sequence.is_running() && !sequence.job->ended() && sequence.job->reproducible();
  });
}

}  // namespace streaming
