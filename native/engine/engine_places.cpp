// Who has a place in the cache: at most max_sequences sequences at a time, and no more than there are cells for.
// Whoever has been idle for longest gives way; where nobody is idle, the next one waits.
#include <algorithm>

#include "engine/engine.h"
#include "engine/saved_cells.h"
#include "support/failure.h"

namespace streaming {

// In order: by priority, then by who has waited longest. Nobody overtakes one who waits for more cells, lest he waits
// for ever.
void Engine::admit() {
  while (!queue_.empty()) {
    const auto first = std::max_element(queue_.begin(), queue_.end(), [&](int a, int b) {
      return sequences_.at(a).running->job.priority < sequences_.at(b).running->job.priority;
    });
    const int handle = *first;
    auto& sequence = sequences_.at(handle);
    if (!make_room(sequence)) return;
    queue_.erase(first);
    begin(handle, sequence);
    attend(sequence);
  }
}

// Those that are cancelled while they wait will be attended to like any other.
void Engine::drop_cancelled() {
  for (size_t i = 0; i < queue_.size();) {
    auto& sequence = sequences_.at(queue_[i]);
    if (!sequence.running->job.stream->cancelled()) {
      i++;
      continue;
    }
    sequence.running->waiting = false;
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// True: there is a place for the sequence, or it has one. Whoever is idle gives way; then whoever has a place and waits
// nevertheless, since the sequence has waited longer. `spared` keeps its place: something is copied from it.
bool Engine::make_room(Sequence& sequence, const Sequence* spared) {
  if (sequence.current) return true;
  for (;;) {
    int count = 1;
    int64_t cells = options_.batch_size + cells_needed(sequence.cache->limits(), recurrent_);
    Sequence* idle = nullptr;
    for (auto& [handle, other] : sequences_) {
      if (!other.current) continue;
      count++;
      cells += cells_needed(other.cache->limits(), recurrent_);
      const bool waits = other.running && other.running->waiting;
      if (&other == spared || (other.running && !waits)) continue;
      const bool idle_waits = idle && idle->running;
      if (!idle || (idle_waits && !waits) || (idle_waits == waits && other.used < idle->used)) idle = &other;
    }
    if (count <= options_.max_sequences && (options_.cache_tokens == 0 || cells <= options_.cache_tokens)) return true;
    if (!idle) return false;
    swap_out(*idle);
  }
}

void Engine::swap_out(Sequence& sequence) {
  const auto put_away = [&](const SequenceId& id) {
    return std::make_shared<SwappedState>(context_.read(id), options_.swap_folder);
  };
  if (sequence.cache->size() > 0) sequence.swapped = put_away(sequence.current);
  if (sequence.state) sequence.swapped_state = put_away(sequence.state);
  sequence.state.reset();
  sequence.current.reset();
}

// Brings back what was put away; where that fails, what is known is decoded again.
void Engine::place(Sequence& sequence) {
  // Loading is given up when the model is closed or the job it is for is left.
  context_.need_weights([&] { return !commands_.stopping() && !sequence.running->job.stream->cancelled(); });
  ensure_cells();
  if (sequence.current) return;
  const auto bring_back = [&](SequenceId& id, const std::shared_ptr<const SwappedState>& swapped) {
    id = context_.take_id();
    return context_.write(id, swapped->read()) > 0;
  };
  const bool is_longer = std::exchange(sequence.swapped_is_longer, false);
  const auto swapped = std::exchange(sequence.swapped, nullptr);
  const auto swapped_state = std::exchange(sequence.swapped_state, nullptr);
  if (swapped_state && !bring_back(sequence.state, swapped_state)) sequence.state.reset();
  if (swapped) bring_back(sequence.current, swapped);
  else sequence.current = context_.take_id();
  const auto holds_once_cut = [&] {
    return context_.remove(sequence.current, sequence.cache->next(), -1) && holds_what_is_seen(sequence);
  };
  if (!(is_longer ? holds_once_cut() : holds_newest(sequence))) start_over(sequence);
}

namespace {

constexpr uint32_t kStateVersion = 1;

// Numbers alone, so that any bytes are some head.
struct Head {
  uint32_t version;
  int32_t kind, sinks, window, reanchor_every, trained_length, first;
  uint32_t by_turn;
  int64_t seen, evicted;
  PendingTokens::Counts pending;
};

// More tokens than anybody reads.
constexpr int64_t kMostTokens = int64_t{1} << 53;

}  // namespace

// All of an idle sequence: its books, and what the cache holds. Without the latter, where what was put away has more
// than belongs to it and there is no place for it now: its tokens are decoded again then.
std::vector<uint8_t> Engine::saved(Sequence& sequence) {
  if (sequence.swapped && sequence.swapped_is_longer && context_.has_weights() && queue_.empty() && make_room(sequence))
    place(sequence);
  const auto cells = [&] {
    if (sequence.pending.rebasing() || (sequence.swapped && sequence.swapped_is_longer)) return std::vector<uint8_t>();
    return sequence.swapped ? sequence.swapped->read() : context_.read(sequence.current);
  };
  ByteWriter to;
  const auto& limits = sequence.cache->limits();
  to.put(Head{kStateVersion, limits.kind, limits.sinks, limits.window, limits.reanchor_every, limits.trained_length,
              limits.first, limits.by_turn, sequence.seen, sequence.evicted, sequence.pending.counts()});
  to.put_list(sequence.pending.tokens());
  sequence.cache->save(to);
  to.put_list(cells());
  return std::move(to.bytes);
}

// The state comes from outside: nothing of it is taken as it is. Where its books contradict themselves it is refused,
// and where its cells cannot be read safely, its tokens are decoded again. Returns how the job ends: "done", "waiting"
// where all was to be decoded again when it was saved, or "unreadable".
const char* Engine::restore_saved(Sequence& sequence, const std::vector<uint8_t>& state) {
  if (sequence.seen > 0) throw Failure("INVALID_OPTION", "only a sequence that is empty can become another");
  ByteReader from(state.data(), state.size());
  const auto head = from.take<Head>();
  if (head.version != kStateVersion)
    throw Failure("INVALID_OPTION", "the saved state is of another version of this package");
  std::deque<Token> pending;
  from.take_list(pending);
  auto limits = sequence.cache->limits();
  // How far the sinks may lag is what it was made with, which another system prompt in the meantime has not changed.
  const bool never = limits.reanchor_every == CachePolicy::kNever;
  const bool lags_so = head.reanchor_every >= 1 && head.reanchor_every <= CachePolicy::kNever &&
                       never == (head.reanchor_every == CachePolicy::kNever) &&
                       (never || limits.sinks + limits.window < limits.trained_length - head.reanchor_every ||
                        head.reanchor_every <= limits.reanchor_every);
  if (head.kind != limits.kind || head.sinks != limits.sinks || head.window != limits.window || !lags_so) {
    throw Failure("INVALID_OPTION", "the saved state is of another policy or size");
  }
  limits.reanchor_every = head.reanchor_every;
  auto cache = make_cache_policy(limits);
  cache->load(from);
  std::vector<uint8_t> cells;
  from.take_list(cells);
  if (const auto* broken = cache->broken_invariant())
    throw Failure("INVALID_OPTION", std::string("the saved state contradicts itself: ") + broken);
  const auto kept = cache->kept();
  const bool moves_on = limits.kind == CachePolicy::streaming || limits.kind == CachePolicy::dense;
  const bool sound =
      head.evicted >= 0 && head.seen >= head.evicted && head.seen <= kMostTokens &&
      counts_all(head.seen, head.evicted, *cache, pending.size()) && (kept.empty() || !pending.empty()) &&
      pending.empty() == (head.seen == 0) && (limits.kind == CachePolicy::streaming || head.pending.rebasing == 0) &&
      ((recurrent_ && moves_on) || head.pending.replaying == 0) && (!moves_on || head.pending.known == 0);
  PendingTokens waiting;
  if (!sound || !waiting.load(std::move(pending), head.pending))
    throw Failure("INVALID_OPTION", "the saved state contradicts itself");
  model_->check_tokens(kept.data(), kept.size());
  const std::vector<Token> tokens(waiting.begin(), waiting.end());
  model_->check_tokens(tokens.data(), tokens.size());
  sequence.cache = std::move(cache);
  sequence.pending = std::move(waiting);
  sequence.seen = head.seen, sequence.evicted = head.evicted;
  if (sequence.cache->size() == 0) return sequence.pending.empty() ? "done" : "waiting";
  const bool waits = sequence.pending.rebasing() || cells.empty();
  if (sequence.running->job.tokens_alone || waits || !read_cells(sequence, cells)) {
    start_over(sequence);
    return waits ? "waiting" : "unreadable";
  }
  sequence.restored = true;
  sequence.running->reused = sequence.cache->size();
  return "done";
}

// False: the cells cannot be had from these bytes, and some of llama.cpp's may be those of a part of them.
bool Engine::read_cells(const Sequence& sequence, const std::vector<uint8_t>& cells) {
  const auto& cache = *sequence.cache;
  const auto empty = context_.read(sequence.current);  // it has none yet
  const CellsLayout layout{!recurrent_ || hybrid_, sliding_window_ > 0, recurrent_, model_->facts().caches_values,
                           model_->facts().spatial};
  std::vector<Position> positions;
  const auto mark = cache.mark();
  const auto sinks = static_cast<Position>(cache.sinks().size());
  const bool apart = cache.limits().kind == CachePolicy::streaming && sinks == cache.limits().sinks;
  for (Position at = cache.lowest(); at < cache.next();
       at = apart && at + 1 == mark.base + sinks ? mark.oldest : at + 1)
    positions.push_back(at);
  if (!may_be_read(cells, empty, layout, positions)) return false;
  return context_.write(sequence.current, cells) == cells.size() &&
         context_.newest(sequence.current) == cache.next() - 1;
}

}  // namespace streaming
