#include "engine/saved_sequence.h"

#include <deque>
#include <utility>

#include "engine/saved_cells.h"
#include "support/failure.h"

namespace streaming {
namespace {

constexpr uint32_t kStateVersion = 1;
// More tokens than a conversation can have.
constexpr int64_t kMaxTokens = int64_t{1} << 53;

// Numbers only, so that any bytes are a valid value.
struct Head {
  uint32_t version;
  int32_t kind, sinks, window, reanchor_every, trained_length, first;
  uint32_t by_turn;
  int64_t seen, evicted;
  PendingTokens::Counts pending;
};

// The limits of the sequence with the lag it was saved with; throws where they are others.
CachePolicy::Limits saved_limits(const Head& head, CachePolicy::Limits limits) {
  // The lag is the one that the sequence was made with; replacing the sinks since has not changed it.
  const bool never = limits.reanchor_every == CachePolicy::kNever;
  const bool lags_so = head.reanchor_every >= 1 && head.reanchor_every <= CachePolicy::kNever &&
                       never == (head.reanchor_every == CachePolicy::kNever) &&
                       (never || limits.sinks + limits.window < limits.trained_length - head.reanchor_every ||
                        head.reanchor_every <= limits.reanchor_every);
  if (head.kind != limits.kind || head.sinks != limits.sinks || head.window != limits.window || !lags_so)
    throw Failure("INVALID_OPTION", "the saved state is of another policy or size");
  limits.reanchor_every = head.reanchor_every;
  return limits;
}

bool is_sound(const Head& head, const CachePolicy& policy, size_t pending, bool recurrent) {
  const auto kind = policy.limits().kind;
  const bool moves_on = kind == CachePolicy::streaming || kind == CachePolicy::dense;
  return head.evicted >= 0 && head.seen >= head.evicted && head.seen <= kMaxTokens &&
         counts_all(head.seen, head.evicted, policy, pending) && (policy.kept().empty() || pending > 0) &&
         (pending == 0) == (head.seen == 0) && (kind == CachePolicy::streaming || head.pending.rebasing == 0) &&
         ((recurrent && moves_on) || head.pending.replaying == 0) && (!moves_on || head.pending.known == 0);
}

// The positions that the cells must have, in order.
std::vector<Position> positions_of(const CachePolicy& policy) {
  std::vector<Position> positions;
  const auto mark = policy.mark();
  const auto sinks = static_cast<Position>(policy.sinks().size());
  const bool apart = policy.limits().kind == CachePolicy::streaming && sinks == policy.limits().sinks;
  for (Position at = policy.lowest(); at < policy.next();
       at = apart && at + 1 == mark.base + sinks ? mark.oldest : at + 1)
    positions.push_back(at);
  return positions;
}

// False: the cells cannot be restored from these bytes, and a part of them may have been written.
bool write_cells(CachedTokens& tokens, const std::vector<uint8_t>& cells, const Model& model) {
  const auto& memory = tokens.cells().memory();
  const CellsLayout layout{!memory.recurrent || memory.hybrid, memory.sliding_window > 0, memory.recurrent,
                           model.info().caches_values, model.info().spatial};
  const auto empty = tokens.read_cells();  // it has none yet
  return may_be_read(cells, empty, layout, positions_of(tokens.policy())) && tokens.write_cells(cells);
}

}  // namespace

std::vector<uint8_t> save_sequence(const CachedTokens& tokens) {
  ByteWriter to;
  const auto& limits = tokens.limits();
  to.put(Head{kStateVersion, limits.kind, limits.sinks, limits.window, limits.reanchor_every, limits.trained_length,
              limits.first, limits.by_turn, tokens.seen(), tokens.evicted(), tokens.pending().counts()});
  to.put_list(tokens.pending().tokens());
  tokens.policy().save(to);
  const bool without_cells = tokens.pending().rebasing() || tokens.swapped_is_longer();
  to.put_list(without_cells ? std::vector<uint8_t>() : tokens.read_cells());
  return std::move(to.bytes);
}

const char* restore_sequence(CachedTokens& tokens, const std::vector<uint8_t>& state, bool tokens_only,
                             const Model& model) {
  if (tokens.seen() > 0) throw Failure("INVALID_OPTION", "only a sequence that is empty can become another");
  ByteReader from(state.data(), state.size());
  const auto head = from.take<Head>();
  if (head.version != kStateVersion)
    throw Failure("INVALID_OPTION", "the saved state is of another version of this package");
  std::deque<Token> pending;
  from.take_list(pending);
  auto policy = make_cache_policy(saved_limits(head, tokens.limits()));
  policy->load(from);
  std::vector<uint8_t> cells;
  from.take_list(cells);
  if (const auto* broken = policy->broken_invariant())
    throw Failure("INVALID_OPTION", std::string("the saved state contradicts itself: ") + broken);
  PendingTokens waiting;
  if (!is_sound(head, *policy, pending.size(), tokens.cells().memory().recurrent) ||
      !waiting.load(std::move(pending), head.pending))
    throw Failure("INVALID_OPTION", "the saved state contradicts itself");
  const auto kept = policy->kept();
  model.check_tokens(kept.data(), kept.size());
  const std::vector<Token> known(waiting.begin(), waiting.end());
  model.check_tokens(known.data(), known.size());
  tokens.restore({std::move(policy), std::move(waiting), head.seen, head.evicted});
  if (tokens.policy().size() == 0) return tokens.pending().empty() ? "done" : "waiting";
  const bool waits = tokens.pending().rebasing() || cells.empty();
  if (tokens_only || waits || !write_cells(tokens, cells, model)) {
    tokens.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
    return waits ? "waiting" : "unreadable";
  }
  return "done";
}

}  // namespace streaming
