#include "engine/cache_growth.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <vector>

#include "support/failure.h"

namespace streaming {
namespace {

using Sequences = std::map<int, Sequence>;

int ids_for(const Sequences& sequences, const ContextOptions& options, const MemoryKind& memory) {
  const int open = std::min(static_cast<int>(sequences.size()), options.max_sequences);
  const bool costly = memory.recurrent || memory.sliding_window > 0;
  return ids_needed(memory.recurrent) * (costly ? open : options.max_sequences);
}

int cells_for(const Sequences& sequences, const ContextOptions& options, const MemoryKind& memory) {
  if (options.cache_tokens > 0) return options.cache_tokens;
  std::vector<int> each;
  for (const auto& [handle, sequence] : sequences)
    each.push_back(cells_needed(sequence.tokens.limits(), memory.recurrent));
  std::sort(each.begin(), each.end(), std::greater<>());
  each.resize(std::min(each.size(), static_cast<size_t>(options.max_sequences)));
  return std::accumulate(each.begin(), each.end(), options.batch_size);
}

// Cells that a checkpoint, or held cells in a windowed layer, share become separate copies on the way.
int cells_unshared(const Sequences& sequences, const MemoryKind& memory) {
  int cells = 0;
  for (const auto& [handle, sequence] : sequences) {
    const auto& tokens = sequence.tokens;
    const int copies = tokens.checkpoints() + (tokens.cells().holds_evicted() && memory.sliding_window > 0 ? 1 : 0);
    cells += copies * cells_needed(tokens.limits(), memory.recurrent);
  }
  return cells;
}

struct SavedCells {
  Sequence* sequence;
  const SequenceId* id;
  std::vector<uint8_t> bytes;
};

std::vector<SavedCells> save(LlamaContext& context, Sequences& sequences) {
  std::vector<SavedCells> saved;
  if (!context.exists()) return saved;
  for (auto& [handle, sequence] : sequences) {
    if (sequence.job) sequence.tokens.release_delivered(sequence.job->stream().delivered_bytes());
    for (const auto* id : sequence.tokens.ids_to_carry())
      if (*id) saved.push_back({&sequence, id, context.read(*id)});
  }
  return saved;
}

void put_back(LlamaContext& context, const std::vector<SavedCells>& saved, Sequences& sequences) {
  std::set<Sequence*> lost;
  for (const auto& one : saved)
    if (context.write(*one.id, one.bytes) == 0) lost.insert(one.sequence);
  for (auto* sequence : lost) sequence->tokens.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
  for (auto& [handle, sequence] : sequences) sequence.tokens.has_grown();
}

}  // namespace

void ensure_cells(LlamaContext& context, const ContextOptions& options, const MemoryKind& memory,
                  std::map<int, Sequence>& sequences) {
  int needed = cells_for(sequences, options, memory);
  const int ids = std::max(context.ids(), ids_for(sequences, options, memory));
  const auto need_memory = [&] {
    if (!context.has_memory())
      throw Failure("MODEL_UNSUPPORTED", "this model keeps no memory of what it has read, so it cannot generate text");
  };
  if (context.exists() && context.cells() >= needed && ids == context.ids()) return need_memory();
  if (context.exists()) needed += cells_unshared(sequences, memory);
  const auto saved = save(context, sequences);
  const auto made = context.make(needed, ids);
  if (context.exists()) {
    put_back(context, saved, sequences);
  } else {
    // There is no context at all: all sequences are decoded again when there is memory.
    for (auto& [handle, sequence] : sequences) sequence.tokens.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
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

}  // namespace streaming
