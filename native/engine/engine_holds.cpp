// What llama.cpp's cache holds, compared with what it should hold by the engine's books.
#include <algorithm>

#include "engine/engine.h"
#include "support/failure.h"

namespace streaming {

// Whether each token of the conversation is in the cache, waits to be decoded, or has been evicted.
bool Engine::counts_all(int64_t seen, int64_t evicted, const CachePolicy& cache, size_t pending) {
  return seen - evicted == cache.size() + static_cast<int64_t>(pending);
}

// Whether llama.cpp's cache ends where ours does: a token decoded behind another end than it has seen would be
// nonsense, and nothing would say so. A look at one number.
bool Engine::holds_newest(const Sequence& sequence) const {
  const auto& cache = *sequence.cache;
  const Position newest = cache.size() > 0 ? cache.next() - 1 : -1;
  return context_.newest(sequence.current) == newest;
}

// Whether llama.cpp's cache holds all that the next token will see. Windowed layers give up, of their own accord, what
// the newest token no longer sees, in any order; once that token is taken back, those before it need it.
bool Engine::holds_what_is_seen(const Sequence& sequence) {
  return holds_newest(sequence) && (sliding_window_ == 0 || holds_kept(sequence));
}

// Whether all that is kept is there: in each layer, or of windowed ones what the next token sees. Sinks lie apart from
// the window, so the two are looked at apart. Not for recurrent states, which have no positions.
bool Engine::holds_kept(const Sequence& sequence) {
  const auto& cache = *sequence.cache;
  const Position sinks_end = cache.lowest() + static_cast<Position>(cache.sinks().size());
  const Position oldest =
      cache.limits().kind == CachePolicy::streaming ? std::max(sinks_end, cache.mark().oldest) : sinks_end;
  const auto holds = [&](Position from, Position to) {
    if (sliding_window_ == 0) return holds_all(sequence.current, from, to, false);
    return holds_all(sequence.current, std::max(from, cache.next() - sliding_window_ + 1), to, true) &&
           (hybrid_ || holds_all(sequence.current, from, to, false));
  };
  return holds(cache.lowest(), sinks_end) && holds(oldest, cache.next());
}

// Whether the windowed layers, or the others, hold each of the positions [from, to) once. llama.cpp does not tell; but
// it tells how many bytes a sequence's state has, which are as many more for each position.
bool Engine::holds_all(const SequenceId& id, Position from, Position to, bool windowed) {
  if (from >= to) return true;
  const SequenceId scratch = context_.take_id();
  const auto bytes_from = [&](Position begin) {
    context_.remove(scratch, -1, -1);
    context_.copy(id, scratch, begin, to);
    const size_t of_windowed = sliding_window_ > 0 ? context_.windowed_size_of(scratch) : 0;
    return windowed ? of_windowed : context_.size_of(scratch) - of_windowed;
  };
  const size_t none = bytes_from(to);
  const size_t last = bytes_from(to - 1);
  bool holds = last > none;
  if (to - from > 1) {
    const size_t two = bytes_from(to - 2);
    const size_t each = two - last;
    holds = holds && two > last && bytes_from(from) == two + each * static_cast<size_t>(to - from - 2);
  }
  return holds;
}

void Engine::verify(const Sequence& sequence) {
  const auto& cache = *sequence.cache;
  const char* broken = cache.broken_invariant();
  if (!broken && !counts_all(sequence.seen, sequence.evicted, cache, sequence.pending.size()))
    broken = "each token is in the cache, waits, or has left";
  if (!broken && cache.size() > 0 && !sequence.pending.rebasing()) {
    const bool knows_oldest = sliding_window_ == 0 && !recurrent_;
    if (!holds_newest(sequence)) broken = "llama.cpp holds the newest position";
    else if (knows_oldest && context_.oldest(sequence.current) != cache.lowest())
      broken = "llama.cpp holds the oldest position";
    else if (!recurrent_ && !holds_kept(sequence)) broken = "llama.cpp holds all that is kept";
  }
  if (broken) throw Failure("DECODE_FAILED", std::string("a cache invariant does not hold: ") + broken);
}

}  // namespace streaming
