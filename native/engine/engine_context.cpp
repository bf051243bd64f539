// The engine's llama.cpp context: made at the first job, made larger when more sequences are opened.
#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "engine/engine.h"
#include "llama/assertions.h"
#include "support/failure.h"

namespace streaming {

int Engine::cells_needed(const CachePolicy::Limits& limits) const {
  const int tokens = limits.sinks + limits.window;
  if (limits.kind != CachePolicy::streaming) return tokens + 1;
  // The sinks on the move; those of two bookmarks.
  return tokens + (recurrent_ ? 3 : 1) * limits.sinks + kHeldCells;
}

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
    for (const auto& [handle, sequence] : sequences_) each.push_back(cells_needed(sequence.cache->limits()));
    std::sort(each.begin(), each.end(), std::greater<>());
    each.resize(std::min(each.size(), static_cast<size_t>(options_.max_sequences)));
    needed = std::accumulate(each.begin(), each.end(), options_.batch_size);
  }
  const int ids = std::max(ids_, ids_needed());
  if (context_ && cells_ >= needed && ids == ids_) return;
  if (context_) {
    // Cells that a bookmark, or what is held in a windowed layer, shares become its own on the way.
    for (const auto& [handle, sequence] : sequences_) {
      if (sequence.running)
        needed += static_cast<int>(sequence.running->bookmarks.size()) * cells_needed(sequence.cache->limits());
      if (sequence.hold >= 0 && sliding_window_ > 0) needed += cells_needed(sequence.cache->limits());
    }
  }
  const int cells_before = cells_;
  const auto saved = save_states();
  if (context_) llama().llama_free(context_);
  const int ids_before = std::exchange(ids_, ids);
  for (int id = ids - 1; id >= ids_before; id--) free_ids_.push_back(id);
  take_assertion();
  context_ = make_context(needed, ids);
  const bool larger = context_ != nullptr;
  const bool asserted = take_assertion();
  const std::string reason = larger ? "" : LlamaLibrary::take_errors();
  if (!larger && cells_before > 0) context_ = make_context(cells_before, ids);
  if (context_) {
    memory_ = llama().llama_get_memory(context_);
    restore_states(saved);
  } else {
    // Not even the old one: everybody begins again, when there is memory.
    cells_ = ids_ = 0;
    free_ids_.clear();
    for (auto& [handle, sequence] : sequences_) {
      sequence.current = sequence.hold = sequence.state = -1;
      if (sequence.running) sequence.running->bookmarks.clear();
      start_over(sequence);
    }
  }
  if (asserted)
    throw Failure("MODEL_UNSUPPORTED", "llama.cpp cannot compute this model: " + reason +
                                           "; its file is damaged, or it cannot be computed with these options");
  if (!larger) {
    throw Failure("OUT_OF_MEMORY", "llama.cpp could not make a cache of " + std::to_string(needed) + " tokens" +
                                       (reason.empty() ? "" : ": " + reason) +
                                       "; use a smaller window, fewer sequences, or kvType 'q8_0'");
  }
  if (!memory_)
    throw Failure("MODEL_UNSUPPORTED", "this model keeps no memory of what it has read, so it cannot generate text");
}

std::vector<Engine::SavedState> Engine::save_states() {
  std::vector<SavedState> saved;
  if (!context_) return saved;
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.running) settle_delivered(sequence);
    // A saved state leaves out what its newest token cannot see in a windowed layer; the oldest token that may be
    // taken back can, so what is held must end there.
    const bool may_be_taken_back = sequence.running && !sequence.running->journal.empty();
    if (!may_be_taken_back) give_id(sequence.hold);
    if (sliding_window_ > 0 && sequence.hold >= 0) {
      llama().llama_memory_seq_rm(memory_, sequence.hold, sequence.running->journal.front().mark.next, -1);
    }
    std::vector<int> used{sequence.current, sequence.hold, sequence.state};
    if (sequence.running) {
      for (const auto& bookmark : sequence.running->bookmarks) used.push_back(bookmark.id);
    }
    for (const int id : used) {
      if (id < 0) continue;
      SavedState one{&sequence, id, std::vector<uint8_t>(llama().llama_state_seq_get_size(context_, id))};
      llama().llama_state_seq_get_data(context_, one.bytes.data(), one.bytes.size(), id);
      saved.push_back(std::move(one));
    }
  }
  return saved;
}

void Engine::restore_states(const std::vector<SavedState>& saved) {
  std::set<Sequence*> lost;
  for (const auto& one : saved) {
    if (llama().llama_state_seq_set_data(context_, one.bytes.data(), one.bytes.size(), one.id) == 0)
      lost.insert(one.sequence);
  }
  for (Sequence* sequence : lost) start_over(*sequence);
  if (sliding_window_ == 0) return;
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.hold < 0 || !sequence.running || sequence.running->journal.empty()) continue;
    // What is held in windowed layers came back with cells of its own; before it, in the other layers, are those that
    // `current` has as well and that nobody asks for.
    sequence.own_to = sequence.running->journal.front().mark.next;
    sequence.own_from = std::max(Position{0}, llama().llama_memory_seq_pos_min(memory_, sequence.hold));
    const Position oldest = std::max(Position{0}, sequence.cache->mark().oldest);
    if (oldest < sequence.own_from) llama().llama_memory_seq_rm(memory_, sequence.hold, oldest, sequence.own_from);
  }
}

llama_context_params context_params(const ContextOptions& options, int cells, int ids) {
  auto params = llama().llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>((cells + 255) / 256 * 256);
  // A batch never holds more than one ubatch: with a sliding window llama.cpp's pruning corrupts longer ones once
  // the sinks have moved.
  params.n_batch = params.n_ubatch = static_cast<uint32_t>(options.batch_size);
  params.n_seq_max = static_cast<uint32_t>(ids);
  params.n_threads = params.n_threads_batch = options.threads;
  params.kv_unified = true;
  params.type_k = params.type_v = options.kv_type;
  params.flash_attn_type = options.flash_attention;
  return params;
}

llama_context* Engine::make_context(int cells, int ids) {
  auto params = context_params(options_, cells, ids);
  // Logits of a batch: those of one token of each sequence, and those of drafts (draft()). More is an assertion.
  params.n_outputs_max = std::max(params.n_seq_max, static_cast<uint32_t>(options_.max_sequences) + kMostDrafts);
  params.abort_callback = [](void* data) { return static_cast<Engine*>(data)->must_stop_decoding(); };
  params.abort_callback_data = this;
  llama_context* context = weights_->make_context(params);
  if (!context) return nullptr;
  broken_.clear();
  cells_ = static_cast<int>(llama().llama_n_ctx(context));
  if (!pool_) pool_ = std::make_unique<ThreadPool>(options_.threads);
  pool_->attach(context);
  threads_set_ = options_.threads;
  return context;
}

int Engine::take_id() {
  if (free_ids_.empty()) throw Failure("NO_SEQUENCE_LEFT", "no sequence id is left");
  const int id = free_ids_.back();
  free_ids_.pop_back();
  return id;
}

void Engine::give_id(int& id) {
  if (id < 0) return;
  llama().llama_memory_seq_rm(memory_, id, -1, -1);
  free_ids_.push_back(id);
  id = -1;
}

}  // namespace streaming
