// The engine's llama.cpp context: made at the first job, made larger when more sequences are opened.
#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "engine/engine.h"
#include "support/failure.h"

namespace streaming {

// A sequence may use three ids at once: its own, one for its sinks on the move, one to hold what was evicted; or, with
// a recurrent state, two bookmarks. An id costs nothing, except in memories that have a state or a window for each.
int Engine::ids_needed() const {
  const int sequences = std::min(static_cast<int>(sequences_.size()), options_.max_sequences);
  if (recurrent_) return 4 * sequences;
  return 3 * (sliding_window_ > 0 ? sequences : options_.max_sequences);
}

// Makes the context at the first job, and a larger one when more sequences have been opened than it has cells for (as
// far as they can have a place at a time): what they hold is carried over as it is.
void Engine::ensure_cells() {
  int needed = options_.cache_tokens;
  if (needed == 0) {
    std::vector<int> each;
    for (const auto& [handle, sequence] : sequences_)
      each.push_back(cells_needed(sequence.cache->limits(), recurrent_));
    std::sort(each.begin(), each.end(), std::greater<>());
    each.resize(std::min(each.size(), static_cast<size_t>(options_.max_sequences)));
    needed = std::accumulate(each.begin(), each.end(), options_.batch_size);
  }
  const int ids = std::max(context_.ids(), ids_needed());
  const auto need_memory = [&] {
    if (!context_.has_memory())
      throw Failure("MODEL_UNSUPPORTED", "this model keeps no memory of what it has read, so it cannot generate text");
  };
  if (context_.exists() && context_.cells() >= needed && ids == context_.ids()) return need_memory();
  if (context_.exists()) {
    // Cells that a bookmark, or what is held in a windowed layer, shares become its own on the way.
    for (const auto& [handle, sequence] : sequences_) {
      if (sequence.running)
        needed +=
            static_cast<int>(sequence.running->bookmarks.size()) * cells_needed(sequence.cache->limits(), recurrent_);
      if (sequence.hold && sliding_window_ > 0) needed += cells_needed(sequence.cache->limits(), recurrent_);
    }
  }
  const auto saved = save_states();
  const auto made = context_.make(needed, ids);
  if (context_.exists()) {
    restore_states(saved);
  } else {
    // Not even the old one: everybody begins again, when there is memory.
    for (auto& [handle, sequence] : sequences_) start_over(sequence);
  }
  if (made.asserted)
    throw Failure("MODEL_UNSUPPORTED", "llama.cpp cannot compute this model: " + made.reason +
                                           "; its file is damaged, or it cannot be computed with these options");
  if (!made.larger) {
    throw Failure("OUT_OF_MEMORY", "llama.cpp could not make a cache of " + std::to_string(needed) + " tokens" +
                                       (made.reason.empty() ? "" : ": " + made.reason) +
                                       "; use a smaller window, fewer sequences, or kvType 'q8_0'");
  }
  need_memory();
}

std::vector<Engine::SavedState> Engine::save_states() {
  std::vector<SavedState> saved;
  if (!context_.exists()) return saved;
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.running) settle_delivered(sequence);
    // A saved state leaves out what its newest token cannot see in a windowed layer; the oldest token that may be
    // taken back can, so what is held must end there.
    const bool may_be_taken_back = sequence.running && !sequence.running->journal.empty();
    if (!may_be_taken_back) sequence.hold.reset();
    if (sliding_window_ > 0 && sequence.hold) {
      context_.remove(sequence.hold, sequence.running->journal.front().mark.next, -1);
    }
    const auto save = [&](const SequenceId& id) {
      if (id) saved.push_back({&sequence, &id, context_.read(id)});
    };
    for (const SequenceId* id : {&sequence.current, &sequence.hold, &sequence.state}) save(*id);
    if (!sequence.running) continue;
    for (const auto& bookmark : sequence.running->bookmarks) save(bookmark.id);
  }
  return saved;
}

void Engine::restore_states(const std::vector<SavedState>& saved) {
  std::set<Sequence*> lost;
  for (const auto& one : saved) {
    if (context_.write(*one.id, one.bytes) == 0) lost.insert(one.sequence);
  }
  for (Sequence* sequence : lost) start_over(*sequence);
  if (sliding_window_ == 0) return;
  for (auto& [handle, sequence] : sequences_) {
    if (!sequence.hold || !sequence.running || sequence.running->journal.empty()) continue;
    // What is held in windowed layers came back with cells of its own; before it, in the other layers, are those that
    // `current` has as well and that nobody asks for.
    sequence.own_to = sequence.running->journal.front().mark.next;
    sequence.own_from = std::max(Position{0}, context_.oldest(sequence.hold));
    const Position oldest = std::max(Position{0}, sequence.cache->mark().oldest);
    if (oldest < sequence.own_from) context_.remove(sequence.hold, oldest, sequence.own_from);
  }
}

}  // namespace streaming
