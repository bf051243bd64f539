#include "engine/speculator.h"

#include <algorithm>

namespace streaming {
namespace {

// The drafts that a test forces, from where the reply is.
int forced_drafts(Speculation& speculation, const jobs::Generate::Forced& forced, int64_t generated, int64_t max) {
  const auto begin = std::min(forced.tokens.size(), static_cast<size_t>(generated));
  const auto left = static_cast<int64_t>(forced.tokens.size() - begin);
  const auto count = std::max<int64_t>(0, std::min({max, static_cast<int64_t>(forced.count), left}));
  std::copy_n(forced.tokens.begin() + static_cast<std::ptrdiff_t>(begin), count, speculation.drafts.begin());
  return static_cast<int>(count);
}

}  // namespace

void Speculation::learn(Token token, int place) {
  if (matched == 0) return;
  const bool same = token == drafts[static_cast<size_t>(place)];
  acceptance.learn(matched + place, same);
  if (!same) matched = 0;
}

bool Speculator::can_speculate(const CachedTokens& tokens) {
  return !tokens.cells().memory().recurrent && tokens.limits().kind != CachePolicy::recompute;
}

int Speculator::draft(Speculation& speculation, const CachedTokens& tokens, const jobs::Generate& job,
                      int64_t generated, const Room& room) {
  const auto& policy = tokens.policy();
  // All drafts of a batch together must not exceed the logits that the context has room for. Each of the other
  // sequences may still add a token, and what is not delivered must stay possible to roll back. How far the reader is
  // behind does not matter otherwise, so that the shapes of batches do not depend on it.
  int64_t max = std::min<int64_t>({kMaxDrafts - added_, room.left - room.sequences, policy.room() - 1,
                                   kHeldCells - 1 - static_cast<int64_t>(tokens.journal().size())});
  if (job.max_tokens > 0) max = std::min(max, job.max_tokens - generated - 1);
  if (tokens.limits().kind == CachePolicy::streaming)
    max = std::min<int64_t>(max, tokens.rebase_after() - policy.next() - 1);
  while (max > 0 && policy.plan(1 + static_cast<int>(max), false).reanchor) max--;

  if (job.forced && job.forced->count >= 0) return forced_drafts(speculation, *job.forced, generated, max);
  // Searched even if there is no room for drafts, so that acceptance is learned from each token.
  const auto match = speculation.index.find();
  if (match.length == 0) return 0;
  speculation.matched = match.length;
  const int drafts =
      choose_draft_length(speculation.acceptance, cost_, match.length, 1 + room.other_singles(), static_cast<int>(max));
  speculation.index.copy(match, std::max(1, drafts), speculation.drafts.data());
  return drafts;
}

}  // namespace streaming
