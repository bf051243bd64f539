#include "engine/prefix_sharing.h"

#include <algorithm>

namespace streaming {
namespace {

// Fewer are decoded as quickly.
constexpr size_t kMinSharedTokens = 8;

template <class Left, class Right>
size_t common_prefix_length(const Left& left, const Right& right) {
  return static_cast<size_t>(std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin());
}

bool may_share(const CachedTokens& tokens) {
  return tokens.limits().kind == CachePolicy::streaming && !tokens.pending().rebasing() &&
         !tokens.pending().replaying();
}

// Tokens of the prefix, beyond the first `length`, that the holder will have decoded after its next batch. Once it
// evicts, its prefix is gone.
size_t coming(const PrefixHolder& holder, const std::vector<Token>& decoded, const CachedTokens& tokens, size_t length,
              int batch_size) {
  const auto& other = *holder.tokens;
  const auto next_batch = std::min(other.pending().size(), static_cast<size_t>(batch_size));
  const bool evicts = decoded.size() + next_batch > static_cast<size_t>(other.limits().sinks + other.limits().window);
  if (evicts || !holder.running || other.evicted() > 0 || other.pending().size() < 2) return 0;
  const auto rest = tokens.pending().begin() + static_cast<std::ptrdiff_t>(length);
  return common_prefix_length(other.pending(), std::vector<Token>(rest, tokens.pending().end()));
}

}  // namespace

SharedPrefix find_shared_prefix(const CachedTokens& tokens, const std::vector<PrefixHolder>& others, int batch_size) {
  // Windowed layers and recurrent states cannot be shared in part.
  const auto& memory = tokens.cells().memory();
  if (memory.recurrent || memory.sliding_window > 0 || tokens.policy().size() > 0 || !may_share(tokens)) return {};
  // Its last token is decoded with what follows, and it must not begin by evicting.
  const auto& limits = tokens.limits();
  const size_t max = std::min(tokens.pending().size() - 1, static_cast<size_t>(limits.sinks + limits.window));

  SharedPrefix best;
  size_t best_length = kMinSharedTokens - 1;
  for (const auto& holder : others) {
    const auto& other = *holder.tokens;
    if (&other == &tokens || !other.has_slot() || other.restored() || !may_share(other) ||
        (other.policy().size() == 0 && !other.in_batch()))
      continue;
    // Not at positions so high that it would soon have to be decoded again.
    if (other.policy().lowest() != limits.first && other.policy().lowest() > tokens.rebase_after() / 2) continue;
    const auto decoded = other.policy().shareable_prefix();
    const size_t length = std::min(max, common_prefix_length(decoded, tokens.pending()));
    // If all that it has is in our prefix, it may still be decoding more of it.
    const bool may_come = length == decoded.size() && length < max;
    if (may_come && std::min(coming(holder, decoded, tokens, length, batch_size), max - length) >= kMinSharedTokens)
      return {.wait = true};
    if (length > best_length) best.from = &other, best_length = length;
  }
  if (best.from) best.length = static_cast<int>(best_length);
  return best;
}

}  // namespace streaming
