// The engine's way back: what the reader has not taken is taken out of the cache again, exactly.
#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "support/failure.h"

namespace streaming {

// The job is over, and its reader has taken all that he will: nothing is taken back any more.
void Engine::settle(Sequence& sequence) {
  if (!sequence.running) return;
  settle_delivered(sequence);
  forget_bookmarks(sequence);
  sequence.hold.reset();
  sequence.running.reset();
  sequence.used = ++jobs_ended_;
}

// Forgets how to take back what the reader has by now.
void Engine::settle_delivered(Sequence& sequence) {
  auto& running = *sequence.running;
  auto& journal = running.journal;
  auto& bookmarks = running.bookmarks;
  // What was held for tokens that have been taken back since goes as well.
  if (journal.empty() && bookmarks.empty() && !sequence.hold) return;
  const size_t delivered = running.job.stream->delivered_bytes();
  while (!journal.empty() && journal.front().delivered(delivered)) journal.pop_front();
  release_held(sequence);
  const auto mark = !bookmarks.empty() ? bookmarks.front().mark
                    : journal.empty()  ? sequence.cache->mark()
                                       : journal.front().mark;
  sequence.cache->release(mark);
}

// Lets the cells go that were evicted longer than kHeldCells tokens ago. Where more tokens wait than that (a stop
// string of very many), taking them back will lose a little of the window's oldest end.
void Engine::release_held(Sequence& sequence) {
  auto& running = *sequence.running;
  const auto& limits = sequence.cache->limits();
  const bool streams = limits.kind == CachePolicy::streaming;
  const Position from = sequence.cache->next() - kHeldCells - (streams ? limits.window : 0);
  if (sequence.hold) {
    // What a window has no room for is seen by no token that may be taken back, however far windowed layers see.
    const Position seen_from = streams ? from : from - sliding_window_;
    if (seen_from > 0) context_.remove(sequence.hold, 0, seen_from);
  }
  if (!streams) return;
  const auto lose = [&](auto& state) {
    const int lost = std::max(0, from - state.mark.oldest);
    state.mark.oldest += lost;
    state.evicted += lost;
    return lost;
  };
  for (auto& record : running.journal) lose(record);
  for (auto& bookmark : running.bookmarks) {
    const Position oldest = bookmark.mark.oldest;
    if (const int lost = lose(bookmark); lost > 0) context_.remove(bookmark.id, oldest, oldest + lost);
  }
}

// Takes back every generated token whose text does not lie wholly within the first `delivered` bytes.
void Engine::take_back(Sequence& sequence, size_t delivered) {
  auto& running = *sequence.running;
  // At the end of a reply its last tokens stay though they have no text; whoever leaves it has not seen them.
  const bool left = running.job.stream->cancelled();
  const auto first = std::find_if(running.journal.begin(), running.journal.end(), [&](const Record& record) {
    return left ? !record.delivered(delivered) : record.end > delivered;
  });
  if (running.cut_tokens > 0 && (first != running.journal.end() || delivered < running.cut_end)) {
    sequence.pending.drop_last(static_cast<size_t>(running.cut_tokens));
    sequence.forget(std::exchange(running.cut_tokens, 0));
  }
  if (first == running.journal.end()) return;
  const auto count = running.journal.end() - first;
  const Record record = *first;
  const auto bytes = running.generation->bytes_of(record.token);
  const size_t start = record.end - (bytes.empty() ? 1 : bytes.size());
  running.journal.erase(first, running.journal.end());
  running.generated -= count;
  sequence.forget(count);
  if (running.journal_waits) sequence.pending.drop_last(static_cast<size_t>(count));
  else undo(sequence, record);
  if (delivered > start && !bytes.empty()) {
    // The text was cut within a token, by a stop string: its first part stays, in other tokens.
    const auto tokens = model_->tokenize(std::string_view(bytes).substr(0, delivered - start), false);
    for (const Token token : tokens) sequence.add(token);
    running.cut_tokens = static_cast<int64_t>(tokens.size());
    running.cut_end = delivered;
  }
}

// Back to before the decode that the record's token was sampled from.
void Engine::undo(Sequence& sequence, const Record& record) {
  if (has_bookmarks(sequence)) return restore(sequence, record);
  auto& cache = *sequence.cache;
  const auto& mark = record.mark;
  const CachePolicy::Mark now = cache.mark();
  const int sinks = static_cast<int>(cache.sinks().size());
  const bool same_cells = cache.rollback(mark);
  sequence.evicted = record.evicted;
  sequence.pending.rolled_back(record.before);
  if (!same_cells || !context_.remove(sequence.current, mark.next, -1)) return start_over(sequence);
  const bool streams = cache.limits().kind == CachePolicy::streaming;
  const bool sinks_moved = streams && mark.base != now.base;
  if (sinks_moved) context_.remove(sequence.current, now.base, now.base + sinks);
  if (sequence.hold) {
    if (streams && mark.oldest < now.oldest)
      context_.copy(sequence.hold, sequence.current, mark.oldest, std::min(now.oldest, mark.next));
    if (sliding_window_ > 0) {
      // As far as it is held: the prompt's tokens may not be. Taken out first: once the cache has grown, the two no
      // longer share their cells.
      const Position from = std::max(
          {streams ? mark.oldest : cache.lowest(), mark.next - sliding_window_ + 1, context_.oldest(sequence.hold)});
      const Position to = std::min(mark.next, context_.newest(sequence.hold) + 1);
      if (from < to) {
        context_.remove(sequence.current, from, to);
        context_.copy(sequence.hold, sequence.current, from, to);
      }
    }
  }
  if (sinks_moved) {
    SequenceId scratch = context_.take_id();
    try {
      decode_sinks(sequence, scratch, mark.base);
    } catch (const std::exception&) {
      return start_over(sequence);
    }
    move_to(sequence, std::move(scratch), -1);
  }
  if (!holds_what_is_seen(sequence)) start_over(sequence);
  if (sequence.verify) verify(sequence);
}

// ---- going back where there is a recurrent state

bool Engine::has_bookmarks(const Sequence& sequence) const {
  const auto kind = sequence.cache->limits().kind;
  return recurrent_ && (kind == CachePolicy::streaming || kind == CachePolicy::dense);
}

// Keeps the present state, once in kCheckpointEvery tokens, and the one before: whatever the reader has taken, so that
// which cells come free does not depend on him. Where he may yet ask for what lies before both (a stop string of very
// many tokens waits), the next one comes later.
void Engine::bookmark(Sequence& sequence) {
  const auto& journal = sequence.running->journal;
  auto& bookmarks = sequence.running->bookmarks;
  const auto mark = sequence.cache->mark();
  if (!bookmarks.empty() && mark.next - bookmarks.back().mark.next < kCheckpointEvery) return;
  if (bookmarks.size() == 2) {
    if (!journal.empty() && journal.front().mark.next < bookmarks.back().mark.next) return;
    bookmarks.pop_front();
  }
  auto id = context_.take_id();
  context_.copy(sequence.current, id, -1, -1);
  bookmarks.push_back({std::move(id), mark, sequence.evicted});
}

void Engine::forget_bookmarks(Sequence& sequence) {
  if (sequence.running) sequence.running->bookmarks.clear();
}

// The conversation becomes the latest bookmark before the record; what lies between is decoded again, one by one as it
// was, with the next job.
void Engine::restore(Sequence& sequence, const Record& record) {
  auto& cache = *sequence.cache;
  auto& bookmarks = sequence.running->bookmarks;
  auto& pending = sequence.pending;
  if (record.mark.next < cache.next()) {
    while (!bookmarks.empty() && bookmarks.back().mark.next > record.mark.next) {
      bookmarks.pop_back();
    }
    const auto tokens =
        bookmarks.empty() ? std::vector<Token>() : cache.between(bookmarks.back().mark.next, record.mark.next);
    pending.replay(tokens, record.before);
    if (bookmarks.empty()) {
      // A state that could not be kept: what is known is decoded again.
      cache.rollback(record.mark);
      sequence.evicted = record.evicted;
      return start_over(sequence);
    }
    sequence.current = std::move(bookmarks.back().id);
    sequence.evicted = bookmarks.back().evicted;
    cache.rollback(bookmarks.back().mark);
    bookmarks.pop_back();
  } else {
    // Taken back once already: the record's token is among those that wait to be decoded again.
    pending.replay_up_to(static_cast<size_t>(record.mark.next - cache.next()), record.before);
  }
  if (sequence.verify) verify(sequence);
}

}  // namespace streaming
