// Speculation without a draft model: what followed when the conversation's last tokens occurred before is decoded along
// with the next token, and stays as far as the sampler chooses the same.
#include <algorithm>

#include "engine/engine.h"
#include "engine/engine_part.h"
#include "llama/batch.h"
#include "support/failure.h"

namespace streaming {

// A recurrent state cannot leave rejected tokens out, and what recomputes decodes a whole window for each token.
bool Engine::can_speculate(const Sequence& sequence) const {
  return !recurrent_ && sequence.cache->limits().kind != CachePolicy::recompute;
}

void Engine::begin_speculation(Sequence& sequence) {
  const auto& job = sequence.running->job;
  const bool wanted = job.forced || (job.speculation && can_speculate(sequence));
  if (sequence.speculation || !wanted) return;
  auto speculation = std::make_unique<Speculation>();
  for (const Token token : sequence.last_tokens(NgramIndex::kCapacity)) speculation->index.append(token);
  sequence.speculation = std::move(speculation);
}

// Fills in drafts for the sequence, whose one waiting token comes next, and returns how many of them belong into the
// batch. Only as many as could have been decoded one by one without anything else happening in between: no sinks that
// move, no rebase, no end.
int Engine::draft(const Batch& batch, Sequence& sequence) {
  auto& running = *sequence.running;
  const auto& job = running.job;
  auto& cache = *sequence.cache;
  auto* speculation = sequence.speculation.get();
  if (speculation) speculation->matched = 0;
  if (!speculation || !(job.speculation || job.forced) || !can_speculate(sequence) || running.in_prompt ||
      sequence.pending.rebasing())
    return 0;

  // All drafts of a batch together are no more than the context has logits for. Each of the other sequences may still
  // want to add a token; and what is not delivered must be possible to take back. How many the reader has yet to take
  // does not matter else, so that the shapes of batches do not depend on it.
  int64_t most = std::min<int64_t>({kMostDrafts - drafts_added_, batch.left() - static_cast<int64_t>(sequences_.size()),
                                    cache.room() - 1, kHeldCells - 1 - static_cast<int64_t>(running.journal.size())});
  if (job.max_tokens > 0) most = std::min(most, job.max_tokens - running.generated - 1);
  if (cache.limits().kind == CachePolicy::streaming)
    most = std::min<int64_t>(most, sequence.rebase_after - cache.next() - 1);
  while (most > 0 && cache.plan(1 + static_cast<int>(most), false).reanchor) most--;

  if (job.forced && job.forced->count >= 0) {
    const auto& forced = *job.forced;
    const auto begin = std::min(forced.tokens.size(), static_cast<size_t>(running.generated));
    const auto count = std::max<int64_t>(
        0, std::min({most, static_cast<int64_t>(forced.count), static_cast<int64_t>(forced.tokens.size() - begin)}));
    std::copy_n(forced.tokens.begin() + static_cast<std::ptrdiff_t>(begin), count, speculation->drafts.begin());
    return static_cast<int>(count);
  }
  // Looked for though there may be no room: what would have been right is learned from each token.
  const auto match = speculation->index.find();
  if (match.length == 0) return 0;
  speculation->matched = match.length;
  const auto others = std::count_if(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
    return &entry.second != &sequence && entry.second.pending.size() == 1 && ready(entry.second);
  });
  const int drafts = choose_draft_length(speculation->acceptance, batch_cost_, match.length,
                                         1 + static_cast<int>(others), static_cast<int>(most));
  speculation->index.copy(match, std::max(1, drafts), speculation->drafts.data());
  return drafts;
}

// The token that came where `place` drafts had been right says whether the next one was.
void Engine::learn_from(Sequence& sequence, Token token, int place) {
  auto* speculation = sequence.speculation.get();
  if (!speculation || speculation->matched == 0) return;
  const bool same = token == speculation->drafts[static_cast<size_t>(place)];
  speculation->acceptance.learn(speculation->matched + place, same);
  if (!same) speculation->matched = 0;
}

// What after_decode() does, for a token and its drafts: one after another, as if each had been decoded by itself, so
// that evictions, records and the way back are the same. Only what each of them saw differs: what the ones before it
// would have pushed out was still there.
void Engine::after_drafts(Part& part, double elapsed_ms) {
  auto& sequence = *part.sequence;
  auto& running = *sequence.running;
  auto& cache = *sequence.cache;
  running.generation_ms += elapsed_ms;
  running.drafted += part.drafts;
  const auto remove_rejected = [&] {
    if (!context_.remove(sequence.current, cache.next(), -1)) start_over(sequence);
  };
  try {
    for (int place = 0;; place++) {
      const float* logits = context_.logits(part.logits_index + place);
      if (!logits) throw Failure("DECODE_FAILED", "llama.cpp gave no logits");
      const Token before = sequence.pending.front();
      const auto mark = cache.mark();
      const int64_t evicted_before = sequence.evicted;
      const auto step = cache.plan(1, true);
      evict(sequence, step);
      cache.commit(step, &before);
      sequence.pending.decoded(1);
      const Token token = sample(sequence, logits, mark, before, evicted_before);
      if (place == part.drafts) break;
      learn_from(sequence, token, place);
      if (token != sequence.speculation->drafts[static_cast<size_t>(place)]) break;
      running.accepted++;
      if (running.ending) break;
    }
  } catch (const std::exception&) {
    remove_rejected();
    throw;
  }
  sequence.speculation->matched = 0;
  remove_rejected();
  if (sequence.verify) verify(sequence);
}

}  // namespace streaming
