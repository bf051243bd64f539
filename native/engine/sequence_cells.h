#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/cache_size.h"
#include "engine/cells.h"
#include "engine/swapped_state.h"

namespace streaming {

// The cells of one sequence, by positions, under ids of its own: `current`, what it sees; `held`, evicted cells that a
// roll-back may need; `state`, the recurrent part during a rebase. With `current` it has a slot; without, its cells may
// be swapped out as SwappedStates. It knows no tokens: each call gets the policy, whose bookkeeping it is compared
// with. On the engine's thread.
class SequenceCells {
 public:
  // The cache must outlive it.
  SequenceCells(Cells& cells, const MemoryKind& memory) : cells_(cells), memory_(memory) {}

  Cells& cache() { return cells_; }
  const MemoryKind& memory() const { return memory_; }
  bool has_slot() const { return static_cast<bool>(current_); }
  const SequenceId& current() const { return current_; }
  bool holds_evicted() const { return static_cast<bool>(held_); }

  // ---- forward

  // Removes what a step's batch evicts, after its decode and before its commit. The cells are held if that decode may
  // be rolled back. Throws Failure POLICY_UNAVAILABLE.
  void evict(const CachePolicy::Step& step, bool may_roll_back);
  // Decodes sinks under an id of their own from a position on. They see only each other, as the first time, so their
  // keys and values are exact. Throws as Cells::decode().
  void decode_sinks(const std::vector<Token>& sinks, const SequenceId& id, Position at);
  // Removes the old sinks at [from, to), then moves the sequence into the id under which the new ones have been
  // decoded. That is right for every kind of memory; copying the sinks back would overwrite a recurrent state. Metadata
  // only.
  void move_to(SequenceId id, Position from, Position to);
  // Frees the held cells below this position of the window.
  void release_held(Position below);
  void drop_held() { held_.reset(); }
  // Removes all cells under `current` and `held`.
  void clear();
  // The recurrent part is kept while attention's part is decoded again, and then put back.
  void save_state();
  void restore_state();
  void drop_state();

  // ---- back

  // Removes what was decoded behind the policy's next position. False: this memory cannot remove it.
  bool truncate(const CachePolicy& policy) { return cells_.remove(current_, policy.next(), -1); }
  // Follows the policy, which has rolled back from `before` to `mark`. False: not all that is seen from there is held
  // any more.
  bool roll_back(const CachePolicy& policy, const CachePolicy::Mark& mark, const CachePolicy::Mark& before);
  // `current` becomes this id, which has been kept.
  void become(SequenceId id) { current_ = std::move(id); }

  // ---- compared with the policy

  // Whether the cache ends where the policy does: a token decoded behind a wrong end would be nonsense, and nothing
  // would report it. Compares one number.
  bool holds_newest(const CachePolicy& policy) const;
  // Whether the cache holds all that the next token will see. Windowed layers free by themselves what the newest token
  // no longer sees, in any order; once that token is removed, those before it need it.
  bool holds_what_is_seen(const CachePolicy& policy) const;
  // Null where the cache holds what the policy says, else what it does not.
  const char* broken_invariant(const CachePolicy& policy) const;

  // ---- slots

  // Shares another sequence's cells, in a range or all. The sequence has an id, or takes one.
  void share(const SequenceCells& other, Position from, Position to);
  void copy_all(const SequenceCells& other);
  // Copies what another holds, outside the cache.
  void swap_copy(const SequenceCells& other, const std::string& folder);
  void share_swapped(const SequenceCells& other);
  // Gives up the slot. `holds_any`: there are cells to keep.
  void swap_out(bool holds_any, const std::string& folder);
  // Takes an id, and restores what was swapped out. False: it does not end where the policy does.
  bool swap_in(const CachePolicy& policy);
  bool is_swapped() const { return swapped_ != nullptr; }
  // What is swapped out has more at its end than the policy, which has been cut since.
  bool swapped_is_longer() const { return swapped_is_longer_; }
  void cut_swapped() { swapped_is_longer_ = true; }
  void drop_swapped();

  // All its cells, or what is swapped out, as bytes; empty if they cannot be read.
  std::vector<uint8_t> read() const { return swapped_ ? swapped_->read() : cells_.read(current_); }

  // ---- growth: the cache is made anew, and what lies under each id carried over

  // Keeps of the held cells only what a roll-back to this position needs; null: nothing.
  void trim_held(const CachePolicy::Mark* oldest_origin);
  std::vector<const SequenceId*> ids() const { return {&current_, &held_, &state_}; }
  void has_grown(const CachePolicy& policy, const CachePolicy::Mark* oldest_origin);

 private:
  void hold(Position from, Position to);
  bool holds_kept(const CachePolicy& policy) const;
  bool holds_all(Position from, Position to, bool windowed) const;

  Cells& cells_;
  const MemoryKind memory_;
  SequenceId current_;  // changes when the sinks move
  SequenceId held_;
  // Positions of which `held` has cells of its own, not those of `current`: the two part when the cache grows.
  Position own_from_ = 0, own_to_ = 0;
  SequenceId state_;
  std::shared_ptr<const SwappedState> swapped_;        // of `current`; null: nothing
  std::shared_ptr<const SwappedState> swapped_state_;  // of `state`
  bool swapped_is_longer_ = false;
};

}  // namespace streaming
