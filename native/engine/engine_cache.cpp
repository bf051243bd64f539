// What the engine does in llama.cpp's cache beside decoding tokens: the sinks move, kept tokens are decoded again.
#include <algorithm>
#include <cmath>

#include "engine/engine.h"
#include "llama/assertions.h"
#include "llama/batch.h"
#include "llama/guarded.h"
#include "support/failure.h"

namespace streaming {

bool Engine::rebase_due(const Sequence& sequence) const {
  return sequence.cache->next() >= sequence.rebase_after && can_rebase(sequence);
}

bool Engine::can_rebase(const Sequence& sequence) const {
  const auto& cache = *sequence.cache;
  if (cache.limits().kind != CachePolicy::streaming || cache.size() == 0 || sequence.rebasing > 0) return false;
  // A recurrent state knows no positions and cannot be had again. (After 2^30 tokens it must be given up all the same.)
  return !recurrent_ || hybrid_ || cache.next() >= CachePolicy::kNever;
}

// Decodes sinks and window again from position 0.
void Engine::begin_rebase(Sequence& sequence) {
  if (!can_rebase(sequence)) return;
  if (hybrid_) {
    if (sequence.state < 0) sequence.state = take_id();
    llama().llama_memory_seq_cp(memory_, sequence.current, sequence.state, kNoPosition, kNoPosition + 1);
  }
  decode_again(sequence);
}

// Something went wrong in llama.cpp's cache: all that is kept is decoded again. Until then the tokens of the journal
// can still be taken back: they are the last of those that wait. (A recomputed cache goes by its marks, which still
// hold.)
void Engine::start_over(Sequence& sequence) {
  decode_again(sequence);
  const auto kind = sequence.cache->limits().kind;
  if (sequence.running && (kind == CachePolicy::streaming || kind == CachePolicy::dense))
    sequence.running->journal_waits = true;
}

// All that is kept goes out of llama.cpp's cache and waits to be decoded again, before what waits already.
void Engine::decode_again(Sequence& sequence) {
  clear(sequence);
  sequence.in_batch = false;
  const auto restart = sequence.cache->restart(0);
  sequence.pending.insert(sequence.pending.begin(), restart.again.begin(), restart.again.end());
  sequence.given_back = restart.known;
  if (sequence.cache->limits().kind == CachePolicy::streaming) sequence.rebasing += restart.again.size();
}

// The policy cannot go on in place: what stays is decoded again, with what is to come.
void Engine::restart(Sequence& sequence) {
  clear(sequence);
  auto& pending = sequence.pending;
  const auto restart = sequence.cache->restart(pending.size());
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(restart.skipped));
  pending.insert(pending.begin(), restart.again.begin(), restart.again.end());
  sequence.given_back = restart.known;
  if (restart.left == 0) return;
  sequence.evicted += restart.left;
  sequence.running->job.stream->add_evicted(restart.left, sequence.evicted);
}

// Takes all cells of the sequence out of llama.cpp's cache.
void Engine::clear(Sequence& sequence) {
  if (sequence.current >= 0) llama().llama_memory_seq_rm(memory_, sequence.current, -1, -1);
  give_id(sequence.hold);
  forget_bookmarks(sequence);
  sequence.replaying = 0;
  // The policy will give these back once more.
  sequence.pending.erase(sequence.pending.begin(),
                         sequence.pending.begin() + static_cast<std::ptrdiff_t>(sequence.given_back));
  sequence.given_back = 0;
}

// Decodes the sinks under an id of their own. They see nothing but each other, as they did the first time, so their
// keys and values come out exact.
void Engine::decode_sinks(Sequence& sequence, int id, Position at) {
  const auto& sinks = sequence.cache->sinks();
  Batch batch(options_.batch_size);
  for (size_t done = 0; done < sinks.size();) {
    batch.clear();
    while (done < sinks.size() && batch.left() > 0) {
      batch.add(sinks[done], at + static_cast<Position>(done), id, false);
      done++;
    }
    decode(batch);
  }
}

// The conversation moves into the id under which its sinks have been decoded: right for every kind of memory, where
// copying the sinks back would overwrite a recurrent state. Metadata only.
void Engine::move_to(Sequence& sequence, int id, Position old_base) {
  const auto& functions = llama();
  if (old_base >= 0)
    functions.llama_memory_seq_rm(memory_, sequence.current, old_base, old_base + sequence.cache->limits().sinks);
  functions.llama_memory_seq_cp(memory_, sequence.current, id, -1, -1);
  give_id(sequence.current);
  sequence.current = id;
}

// On the compute thread that is this thread, between two operations of a graph. Only a CPU asks.
bool Engine::must_stop_decoding() {
  if (stopping_.load(std::memory_order_relaxed)) return true;
  if (give_up_at_ == Clock::time_point::max() || Clock::now() < give_up_at_) return false;
  return gave_up_ = true;
}

// Whether a reply is in progress whose logits should be the same each time, to the last bit.
bool Engine::is_reproducible() const {
  return std::any_of(sequences_.begin(), sequences_.end(), [](const auto& entry) {
    const auto& running = entry.second.running;
    return running && !running->ended && !running->waiting && running->job.sampling.reproducible;
  });
}

// A reproducible reply is about to begin. The last bits of a logit depend on the number of threads, so all such replies
// are computed on as many, unless that has become far too slow: then the next one changes it, but none that has begun.
void Engine::choose_fixed_threads() {
  if (fixed_is_slow_) {
    if (fixed_threads_ == thread_choice_.threads()) thread_choice_.gave_up();
    fixed_threads_ = 0;
    fixed_is_slow_ = false;
  }
  if (fixed_threads_ == 0) fixed_threads_ = thread_choice_.threads();
}

void Engine::decode(Batch& batch) {
  if (!broken_.empty()) throw Failure("DECODE_FAILED", broken_);
  LlamaLibrary::take_errors();
  take_assertion();
  int result = 0;
  std::optional<std::string> thrown;
  const bool fixed = is_reproducible();
  do {
    if (const int threads = fixed ? fixed_threads_ : thread_choice_.threads(); threads != threads_set_) {
      llama().llama_set_n_threads(context_, threads, threads);
      threads_set_ = threads;
    }
    // A recurrent state does not come through a decode that was given up.
    const double limit = recurrent_ || fixed ? INFINITY : thread_choice_.limit(batch.size());
    const auto begin = Clock::now();
    give_up_at_ = std::isfinite(limit) ? begin + std::chrono::microseconds(static_cast<int64_t>(limit * 1000))
                                       : Clock::time_point::max();
    gave_up_ = false;
    thrown = guarded([&] { result = llama().llama_decode(context_, batch.get()); });
    if (!thrown && result == 0) {
      const double elapsed = milliseconds(Clock::now() - begin);
      if (!fixed) thread_choice_.took(batch.size(), elapsed);
      else {
        fixed_is_slow_ = fixed_is_slow_ || elapsed > thread_choice_.limit_on(fixed_threads_, batch.size());
        thread_choice_.saw(fixed_threads_, batch.size(), elapsed);
      }
      return;
    }
    // llama.cpp has taken the batch's cells out again, so it can be decoded on fewer threads.
    if (gave_up_) thread_choice_.gave_up();
  } while (gave_up_ && !stopping_);
  if (stopping_) throw Failure("CLOSED", "the model was closed");
  if (take_assertion()) {
    broken_ =
        "llama.cpp cannot compute this model (" + *thrown +
        "); its file or the options it was loaded with are wrong, and it decodes nothing more until it is loaded again";
  }
  // The books hold what was decoded and committed; whatever the failed batch left in llama.cpp's cache goes.
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.current < 0 || llama().llama_memory_seq_rm(memory_, sequence.current, sequence.cache->next(), -1))
      continue;
    start_over(sequence);  // a recurrent state that went on
  }
  if (!broken_.empty()) throw Failure("DECODE_FAILED", broken_);
  throw Failure("DECODE_FAILED",
                thrown        ? "llama.cpp failed: " + *thrown
                : result == 1 ? "llama.cpp found no free cells in the cache; load the model with a larger cacheTokens"
                              : "llama.cpp failed with " + std::to_string(result) + ": " + LlamaLibrary::take_errors());
}

}  // namespace streaming
