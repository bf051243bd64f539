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
  if (cache.limits().kind != CachePolicy::streaming || cache.size() == 0 || sequence.pending.rebasing()) return false;
  // A recurrent state knows no positions and cannot be had again. (After 2^30 tokens it must be given up all the same.)
  return !recurrent_ || hybrid_ || cache.next() >= CachePolicy::kNever;
}

// Decodes sinks and window again from position 0.
void Engine::begin_rebase(Sequence& sequence) {
  if (!can_rebase(sequence)) return;
  if (hybrid_) {
    if (!sequence.state) sequence.state = context_.take_id();
    context_.copy_state(sequence.current, sequence.state);
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
  sequence.pending.give_back(restart.again, restart.known, sequence.cache->limits().kind == CachePolicy::streaming);
}

// The policy cannot go on in place: what stays is decoded again, with what is to come.
void Engine::restart(Sequence& sequence) {
  clear(sequence);
  auto& pending = sequence.pending;
  const auto restart = sequence.cache->restart(pending.size());
  pending.give_back(restart.again, restart.known, false, restart.skipped);
  if (restart.left == 0) return;
  sequence.evicted += restart.left;
  sequence.running->job.stream->add_evicted(restart.left, sequence.evicted);
}

// Takes all cells of the sequence out of llama.cpp's cache.
void Engine::clear(Sequence& sequence) {
  if (sequence.current) context_.remove(sequence.current, -1, -1);
  sequence.hold.reset();
  forget_bookmarks(sequence);
  sequence.pending.cache_is_empty();
}

// Decodes the sinks under an id of their own. They see nothing but each other, as they did the first time, so their
// keys and values come out exact.
void Engine::decode_sinks(Sequence& sequence, const SequenceId& id, Position at) {
  const auto& sinks = sequence.cache->sinks();
  Batch batch(options_.batch_size);
  for (size_t done = 0; done < sinks.size();) {
    batch.clear();
    while (done < sinks.size() && batch.left() > 0) {
      batch.add(sinks[done], at + static_cast<Position>(done), id.get(), false);
      done++;
    }
    decode(batch);
  }
}

// The conversation moves into the id under which its sinks have been decoded: right for every kind of memory, where
// copying the sinks back would overwrite a recurrent state. Metadata only.
void Engine::move_to(Sequence& sequence, SequenceId id, Position old_base) {
  if (old_base >= 0) context_.remove(sequence.current, old_base, old_base + sequence.cache->limits().sinks);
  context_.copy(sequence.current, id, -1, -1);
  sequence.current = std::move(id);
}

// Whether a reply is in progress whose logits should be the same each time, to the last bit.
bool Engine::is_reproducible() const {
  return std::any_of(sequences_.begin(), sequences_.end(), [](const auto& entry) {
    const auto& running = entry.second.running;
    return running && !running->ended && !running->waiting && running->job.sampling.reproducible;
  });
}

// Throws as LlamaContext::decode(). Where that fails, the books hold what was decoded and committed, and whatever the
// failed batch left in llama.cpp's cache goes.
void Engine::decode(Batch& batch) {
  try {
    context_.decode(batch, is_reproducible());
  } catch (const Failure&) {
    if (commands_.stopping()) throw;
    for (auto& [handle, sequence] : sequences_) {
      if (!sequence.current || context_.remove(sequence.current, sequence.cache->next(), -1)) continue;
      start_over(sequence);  // a recurrent state that went on
    }
    throw;
  }
}

}  // namespace streaming
