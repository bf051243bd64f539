#include "engine/sequence_cells.h"

#include <algorithm>
#include <utility>

#include "support/failure.h"

namespace streaming {

// ---- forward

// Holds the cells of the positions [from, to), except those that are held already, which would be there twice.
void SequenceCells::hold(Position from, Position to) {
  const auto keep = [&](Position begin, Position end) {
    if (begin < end) cells_.copy(current_, held_, begin, end);
  };
  if (own_from_ >= own_to_) return keep(from, to);
  keep(from, std::min(to, own_from_));
  keep(std::max(from, own_to_), to);
}

void SequenceCells::evict(const CachePolicy::Step& step, bool may_roll_back) {
  const bool evicts = step.evict_to > step.evict_from;
  const int window = memory_.sliding_window;
  if (may_roll_back && !memory_.recurrent && (evicts || window > 0)) {
    if (!held_) {
      held_ = cells_.take_id();
      own_from_ = own_to_ = 0;
    }
    if (evicts) hold(step.evict_from, step.evict_to);
    // A sliding-window cache reuses cells that no later token can see; a token that is rolled back could. Only the
    // window's are held: sinks move with each token, and would be there once for each, at positions of the window.
    if (window > 0) hold(std::max(step.evict_from, step.first - window + 1), step.first + step.count);
  }
  if (evicts && !cells_.remove(current_, step.evict_from, step.evict_to))
    throw Failure("POLICY_UNAVAILABLE", "llama.cpp cannot evict tokens from this model's memory; use policy 'dense'");
}

void SequenceCells::decode_sinks(const std::vector<Token>& sinks, const SequenceId& id, Position at) {
  Batch batch(cells_.batch_size());
  for (size_t done = 0; done < sinks.size();) {
    batch.clear();
    while (done < sinks.size() && batch.left() > 0) {
      batch.add(sinks[done], at + static_cast<Position>(done), id.get(), false);
      done++;
    }
    cells_.decode(batch);
  }
}

void SequenceCells::move_to(SequenceId id, Position from, Position to) {
  if (from < to) cells_.remove(current_, from, to);
  cells_.copy(current_, id, -1, -1);
  current_ = std::move(id);
}

void SequenceCells::release_held(Position below) {
  if (held_ && below > 0) cells_.remove(held_, 0, below);
}

void SequenceCells::clear() {
  if (current_) cells_.remove(current_, -1, -1);
  held_.reset();
}

void SequenceCells::save_state() {
  if (!state_) state_ = cells_.take_id();
  cells_.copy_state(current_, state_);
}

void SequenceCells::restore_state() {
  if (state_) cells_.copy_state(state_, current_);
  state_.reset();
}

void SequenceCells::drop_state() {
  state_.reset();
  swapped_state_.reset();
}

// ---- back

bool SequenceCells::roll_back(const CachePolicy& policy, const CachePolicy::Mark& mark,
                              const CachePolicy::Mark& before) {
  if (!cells_.remove(current_, mark.next, -1)) return false;
  const auto& sinks = policy.sinks();
  const bool streams = policy.limits().kind == CachePolicy::streaming;
  const bool sinks_moved = streams && mark.base != before.base;
  if (sinks_moved) cells_.remove(current_, before.base, before.base + static_cast<Position>(sinks.size()));
  if (held_) {
    if (streams && mark.oldest < before.oldest)
      cells_.copy(held_, current_, mark.oldest, std::min(before.oldest, mark.next));
    if (memory_.sliding_window > 0) {
      // As far as they are held: the prompt's tokens may not be. They are removed first: once the cache has grown, the
      // two ids no longer share their cells.
      const Position from = std::max(
          {streams ? mark.oldest : policy.lowest(), mark.next - memory_.sliding_window + 1, cells_.oldest(held_)});
      const Position to = std::min(mark.next, cells_.newest(held_) + 1);
      if (from < to) {
        cells_.remove(current_, from, to);
        cells_.copy(held_, current_, from, to);
      }
    }
  }
  if (sinks_moved) {
    SequenceId scratch = cells_.take_id();
    try {
      decode_sinks(sinks, scratch, mark.base);
    } catch (const std::exception&) {
      return false;
    }
    move_to(std::move(scratch), 0, 0);
  }
  return holds_what_is_seen(policy);
}

// ---- compared with the policy

bool SequenceCells::holds_newest(const CachePolicy& policy) const {
  return cells_.newest(current_) == (policy.size() > 0 ? policy.next() - 1 : -1);
}

bool SequenceCells::holds_what_is_seen(const CachePolicy& policy) const {
  return holds_newest(policy) && (memory_.sliding_window == 0 || holds_kept(policy));
}

// Whether all that is kept is there: in each layer, or in windowed ones what the next token sees. Sinks lie apart from
// the window, so the two are checked separately. Not for recurrent states, which have no positions.
bool SequenceCells::holds_kept(const CachePolicy& policy) const {
  const Position sinks_end = policy.lowest() + static_cast<Position>(policy.sinks().size());
  const Position oldest =
      policy.limits().kind == CachePolicy::streaming ? std::max(sinks_end, policy.mark().oldest) : sinks_end;
  const auto holds = [&](Position from, Position to) {
    if (memory_.sliding_window == 0) return holds_all(from, to, false);
    return holds_all(std::max(from, policy.next() - memory_.sliding_window + 1), to, true) &&
           (memory_.hybrid || holds_all(from, to, false));
  };
  return holds(policy.lowest(), sinks_end) && holds(oldest, policy.next());
}

// Whether the windowed layers, or the others, hold each of the positions [from, to) once. llama.cpp does not report
// that, but it reports the size of a sequence's state, which grows by the same number of bytes for each position.
bool SequenceCells::holds_all(Position from, Position to, bool windowed) const {
  if (from >= to) return true;
  const SequenceId scratch = cells_.take_id();
  const auto bytes_from = [&](Position begin) {
    cells_.remove(scratch, -1, -1);
    cells_.copy(current_, scratch, begin, to);
    const size_t of_windowed = memory_.sliding_window > 0 ? cells_.windowed_size_of(scratch) : 0;
    return windowed ? of_windowed : cells_.size_of(scratch) - of_windowed;
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

const char* SequenceCells::broken_invariant(const CachePolicy& policy) const {
  if (!holds_newest(policy)) return "llama.cpp holds the newest position";
  if (memory_.recurrent) return nullptr;
  if (memory_.sliding_window == 0 && cells_.oldest(current_) != policy.lowest())
    return "llama.cpp holds the oldest position";
  return holds_kept(policy) ? nullptr : "llama.cpp holds all that is kept";
}

// ---- slots

void SequenceCells::share(const SequenceCells& other, Position from, Position to) {
  cells_.copy(other.current_, current_, from, to);
}

void SequenceCells::copy_all(const SequenceCells& other) {
  for (const auto& [id, its] : {std::pair{&current_, &other.current_}, std::pair{&state_, &other.state_}}) {
    if (!*its) continue;
    *id = cells_.take_id();
    cells_.copy(*its, *id, -1, -1);
  }
}

void SequenceCells::swap_copy(const SequenceCells& other, const std::string& folder) {
  const auto copied = [&](const SequenceId& id) {
    return id ? std::make_shared<SwappedState>(cells_.read(id), folder) : nullptr;
  };
  swapped_ = copied(other.current_);
  swapped_state_ = copied(other.state_);
}

void SequenceCells::share_swapped(const SequenceCells& other) {
  swapped_ = other.swapped_, swapped_state_ = other.swapped_state_;
  swapped_is_longer_ = other.swapped_is_longer_;
}

void SequenceCells::swap_out(bool holds_any, const std::string& folder) {
  const auto put_away = [&](const SequenceId& id) { return std::make_shared<SwappedState>(cells_.read(id), folder); };
  if (holds_any) swapped_ = put_away(current_);
  if (state_) swapped_state_ = put_away(state_);
  state_.reset();
  current_.reset();
}

bool SequenceCells::swap_in(const CachePolicy& policy) {
  const auto bring_back = [&](SequenceId& id, const SwappedState& swapped) {
    id = cells_.take_id();
    return cells_.write(id, swapped.read()) > 0;
  };
  const bool is_longer = std::exchange(swapped_is_longer_, false);
  const auto swapped = std::exchange(swapped_, nullptr);
  const auto swapped_state = std::exchange(swapped_state_, nullptr);
  if (swapped_state && !bring_back(state_, *swapped_state)) state_.reset();
  if (swapped) bring_back(current_, *swapped);
  else current_ = cells_.take_id();
  return is_longer ? truncate(policy) && holds_what_is_seen(policy) : holds_newest(policy);
}

void SequenceCells::drop_swapped() {
  swapped_.reset();
  swapped_is_longer_ = false;
}

// ---- growth

// A saved state leaves out what its newest token cannot see in a windowed layer; the oldest token that may be rolled
// back can, so what is held must end there.
void SequenceCells::trim_held(const CachePolicy::Mark* oldest_origin) {
  if (!oldest_origin) held_.reset();
  else if (memory_.sliding_window > 0 && held_) cells_.remove(held_, oldest_origin->next, -1);
}

// What is held in windowed layers came back with cells of its own; before it, in the other layers, are those that
// `current` has as well, and that no roll-back needs.
void SequenceCells::has_grown(const CachePolicy& policy, const CachePolicy::Mark* oldest_origin) {
  if (memory_.sliding_window == 0 || !held_ || !oldest_origin) return;
  own_to_ = oldest_origin->next;
  own_from_ = std::max(Position{0}, cells_.oldest(held_));
  const Position oldest = std::max(Position{0}, policy.mark().oldest);
  if (oldest < own_from_) cells_.remove(held_, oldest, own_from_);
}

}  // namespace streaming
