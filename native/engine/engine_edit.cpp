// Changes of what has been said: its end is cut off, its sinks become others, it goes on twice.
#include "engine/engine.h"
#include "support/failure.h"

namespace streaming {
namespace {

Failure evicted(int64_t keep) {
  return Failure("EVICTED", "of what is to stay, the first " + std::to_string(keep) +
                                " tokens, the end has left the cache; decode what is known of it anew");
}

}  // namespace

// Forgets the tokens behind the first `keep`. What has been evicted stays so. Of a sequence that has no place, and for
// which there is none now, what was put away is cut when it comes back.
void Engine::cut(Sequence& sequence, int64_t keep) {
  auto& pending = sequence.pending;
  const int64_t drop = sequence.seen - keep;
  if (drop < 0)
    throw Failure("INVALID_OPTION", std::to_string(keep) + " tokens cannot stay of the " +
                                        std::to_string(sequence.seen) + " that there are");
  if (drop == 0) return;
  if (keep == 0) {
    clear(sequence);
    sequence.swapped.reset();
    sequence.swapped_state.reset();
    sequence.state.reset();
    sequence.cache = make_cache_policy(sequence.cache->limits());
    sequence.pending.clear();
    sequence.seen = sequence.evicted = 0;
    sequence.speculation.reset();
    return;
  }
  const auto waiting = static_cast<int64_t>(pending.size());
  if (drop < waiting) {
    if (pending.policy_knows_past(waiting - drop)) throw evicted(keep);
    pending.drop_last(static_cast<size_t>(drop));
    sequence.forget(drop);
    return;
  }
  if (sequence.swapped && context_.has_weights() && queue_.empty() && make_room(sequence)) place(sequence);
  auto& cache = *sequence.cache;
  const int64_t newest = cache.next() - (drop - waiting) - 1;
  const auto mark = cache.mark();
  const bool whole = sequence.evicted == 0 && mark.base == cache.limits().first;
  if (newest < (whole ? cache.lowest() : mark.oldest)) throw evicted(keep);
  const auto last = static_cast<Position>(newest);
  const Token token = cache.between(last, last + 1).front();
  if (!cache.cut(last)) throw evicted(keep);
  sequence.forget(drop);
  const bool rebased = !pending.rebasing();
  pending.rolled_back(token);
  sequence.state.reset();
  sequence.swapped_state.reset();
  if (!sequence.current) {
    sequence.swapped_is_longer = rebased;
    if (rebased) return;
    sequence.swapped.reset();
    return start_over(sequence);
  }
  const bool same_cells = rebased && context_.remove(sequence.current, last, -1);
  if (!same_cells || !holds_what_is_seen(sequence)) start_over(sequence);
  if (sequence.verify) verify(sequence);
}

// The price is that of the new sinks, unless they are more than the positions below the window: then that of all.
void Engine::replace_sinks(int handle, Sequence& sequence) {
  auto& cache = *sequence.cache;
  const auto before = cache.limits();
  const auto& tokens = sequence.running->job.tokens;
  const int count = static_cast<int>(tokens.size());
  const bool moves =
      before.kind == CachePolicy::streaming && before.reanchor_every != CachePolicy::kNever && !recurrent_;
  if (!moves || sequence.pending.rebasing() || before.sinks == 0 ||
      static_cast<int>(cache.sinks().size()) < before.sinks) {
    throw Failure("EVICTED", "these sinks cannot become others in place; decode what is known anew");
  }
  if (count == 0 || count >= before.sinks + before.window) {
    throw Failure("WINDOW_TOO_LARGE", std::to_string(count) + " sinks leave nothing of the " +
                                          std::to_string(before.sinks + before.window) +
                                          " tokens of sinks and window; use fewer, or a larger window");
  }
  const Position old_base = cache.mark().base;
  cache.replace_sinks(tokens);
  reservations_.replace(handle, cache.limits());
  sequence.seen += count - before.sinks;
  ensure_cells();
  auto step = cache.plan(0, false);
  evict(sequence, step);
  step.reanchor = true;
  step.sinks_at = step.evict_to - count;
  cache.commit(step, nullptr);
  if (step.sinks_at < 0) return start_over(sequence);
  SequenceId scratch = context_.take_id();
  try {
    decode_sinks(sequence, scratch, step.sinks_at);
  } catch (const std::exception&) {
    start_over(sequence);
    throw;
  }
  context_.remove(sequence.current, old_base, old_base + before.sinks);
  move_to(sequence, std::move(scratch), -1);
  if (sequence.verify) verify(sequence);
}

int Engine::fork(int handle) {
  const int made = reservations_.reserve_like(handle);
  commands_.post([=, this] {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) return;
    auto& from = found->second;
    if (from.running && from.running->job.stream->closed()) settle(from);
    auto& to = sequences_
                   .emplace(std::piecewise_construct, std::forward_as_tuple(made),
                            std::forward_as_tuple(from.cache->limits(), from.rebase_after, from.verify))
                   .first->second;
    copy(from, to);
  });
  return made;
}

// Metadata only: both share the cells until they leave one of them. The one that is copied from keeps its place.
void Engine::copy(const Sequence& from, Sequence& to) {
  to.used = from.used;
  to.cache = from.cache->clone();
  to.pending = from.pending;
  to.seen = from.seen, to.evicted = from.evicted;
  to.restored = from.restored;
  to.swapped = from.swapped, to.swapped_state = from.swapped_state;
  to.swapped_is_longer = from.swapped_is_longer;
  if (!from.current) return;
  if (!make_room(to, &from)) {
    // Nobody gives way now: it waits outside with a copy of what the cache holds.
    const auto copied = [&](const SequenceId& id) {
      return id ? std::make_shared<SwappedState>(context_.read(id), options_.swap_folder) : nullptr;
    };
    to.swapped = copied(from.current);
    to.swapped_state = copied(from.state);
    return;
  }
  try {
    ensure_cells();
    for (const auto& [id, its] : {std::pair{&to.current, &from.current}, std::pair{&to.state, &from.state}}) {
      if (!*its) continue;
      *id = context_.take_id();
      context_.copy(*its, *id, -1, -1);
    }
  } catch (const std::exception&) {
    start_over(to);  // without cells for now: it is decoded again when there are some
  }
}

}  // namespace streaming
