#include "engine/scheduler.h"

#include <algorithm>

namespace streaming {
namespace {

// The fewest tokens of a prompt that are decoded together once each evicts another.
constexpr int kMinChunk = 16;

}  // namespace

std::vector<int> Scheduler::order(const std::vector<int>& handles) const {
  std::vector<int> order(std::lower_bound(handles.begin(), handles.end(), first_), handles.end());
  order.insert(order.end(), handles.begin(), handles.end() - static_cast<std::ptrdiff_t>(order.size()));
  return order;
}

void Scheduler::begin_prompts(int singles, int left) {
  prompts_ = 0;
  prompt_left_ = budget_.tokens_for_prompts(singles, left);
}

void Scheduler::end_round(const std::vector<int>& handles) {
  const auto next = std::upper_bound(handles.begin(), handles.end(), first_);
  first_ = next == handles.end() ? 0 : *next;
}

// Tokens of one batch see everything that the batch evicts, so what a prompt's tokens see depends on how it is cut. To
// make this independent of what else is in the batch, a prompt is always cut at the same places: where the first token
// is evicted, and from there on into equal parts. Nothing: there is no room for such a part now.
std::optional<int> Scheduler::cut_for_eviction(const CachedTokens& tokens, int left, int count) const {
  const auto& policy = tokens.policy();
  if (tokens.limits().kind != CachePolicy::streaming) return count;
  const auto evicts = [&](int some) {
    const auto step = policy.plan(some, false);
    return step.evict_to > step.evict_from;
  };
  const int part =
      std::min({static_cast<int>(tokens.pending().size()), policy.room(), std::max(kMinChunk, batch_size_ / 4)});
  if (!evicts(std::max(count, part))) return count;
  int none = 0;
  while (none < count && !evicts(none + 1)) none++;
  if (none > 0) return std::min(count, none);
  // A part that is too long for what is left waits to be the first of a batch.
  if (part > count && prompts_ > 0) return std::nullopt;
  return std::min(part, left);
}

std::optional<CachePolicy::Step> Scheduler::next_step(const CachedTokens& tokens, bool keeps_last, int left) {
  const auto& policy = tokens.policy();
  const int waiting = static_cast<int>(tokens.pending().size());
  int count = std::min({waiting, policy.room(), left});
  if (waiting > 1) count = std::min(count, prompt_left_);
  if (count > 1) {
    const auto cut = cut_for_eviction(tokens, left, count);
    if (!cut) return std::nullopt;
    count = *cut;
  }
  if (keeps_last) count = std::min(count, waiting - 1);
  count = tokens.pending().decodable(count);
  if (count == 0) return std::nullopt;
  auto step = policy.plan(count, count >= waiting - 1);
  // The sinks join the batch if there is room for them, so it takes fewer tokens.
  const int sinks = static_cast<int>(policy.sinks().size());
  if (step.reanchor && step.evict_to == step.evict_from && count + sinks > left && count > 1 && left > 2 * sinks)
    step = policy.plan(left - sinks, false);
  if (step.count > 1) {
    prompt_left_ = std::max(0, prompt_left_ - step.count);
    prompts_++;
  }
  return step;
}

}  // namespace streaming
