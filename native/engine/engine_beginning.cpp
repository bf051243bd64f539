// Beginnings that several conversations have in common (a system prompt) are decoded once.
#include <algorithm>

#include "engine/engine.h"

namespace streaming {
namespace {

// Fewer are as quickly decoded.
constexpr size_t kWorthSharing = 8;

template <class Left, class Right>
size_t common_length(const Left& left, const Right& right) {
  return static_cast<size_t>(std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin());
}

}  // namespace

// A conversation of which nothing has been decoded takes over what another has of its beginning: metadata only, the
// two share those cells. True: another is about to decode more of it, so it should wait. A beginning is taken where it
// is, at whatever positions: attention sees differences alone.
bool Engine::waits_for_beginning(Sequence& sequence) {
  auto& cache = *sequence.cache;
  const auto can_share = [](const Sequence& one) {
    return one.cache->limits().kind == CachePolicy::streaming && !one.pending.rebasing() && !one.pending.replaying();
  };
  // What a window has seen of it, and a recurrent state, cannot be had in part.
  if (recurrent_ || sliding_window_ > 0 || cache.size() > 0 || !can_share(sequence)) return false;
  // Its last token is decoded with what follows, and it must not begin by evicting.
  const size_t most =
      std::min(sequence.pending.size() - 1, static_cast<size_t>(cache.limits().sinks + cache.limits().window));

  const Sequence* best = nullptr;
  size_t best_length = kWorthSharing - 1;
  for (const auto& [handle, other] : sequences_) {
    if (&other == &sequence || !other.current || other.restored || !can_share(other) ||
        (other.cache->size() == 0 && !other.in_batch))
      continue;
    const auto decoded = other.cache->beginning();
    // Not where it would soon have to be decoded again.
    if (other.cache->lowest() != cache.limits().first && other.cache->lowest() > sequence.rebase_after / 2) continue;
    const size_t length = std::min(most, common_length(decoded, sequence.pending));
    if (length < decoded.size() || length == most) {
      if (length > best_length) best = &other, best_length = length;
      continue;
    }
    // All that it has is ours as well: perhaps it is still reading. Once it evicts, its beginning is gone.
    const auto next_batch = std::min(other.pending.size(), static_cast<size_t>(options_.batch_size));
    const bool evicts =
        decoded.size() + next_batch > static_cast<size_t>(other.cache->limits().sinks + other.cache->limits().window);
    const bool reads_on =
        !evicts && other.running && !other.running->ended && other.evicted == 0 && other.pending.size() > 1;
    const size_t coming =
        reads_on ? common_length(other.pending,
                                 std::vector<Token>(sequence.pending.begin() + static_cast<std::ptrdiff_t>(length),
                                                    sequence.pending.end()))
                 : 0;
    if (std::min(coming, most - length) >= kWorthSharing) return true;
    if (length > best_length) best = &other, best_length = length;
  }
  if (!best) return false;
  const auto decoded = best->cache->beginning();
  const Position first = best->cache->lowest();
  const auto length = static_cast<std::ptrdiff_t>(best_length);
  context_.copy(best->current, sequence.current, first, first + static_cast<Position>(best_length));
  cache.adopt(first, std::vector<Token>(decoded.begin(), decoded.begin() + length));
  sequence.pending.shared(best_length);
  sequence.running->reused = length;
  return false;
}

}  // namespace streaming
