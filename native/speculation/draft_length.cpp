#include "speculation/draft_length.h"

#include <algorithm>

namespace streaming {
namespace {

constexpr int kKnown = 4;  // decodes after which a cost is more than an accident
constexpr double kMargin =
    1.05;  // what drafts must promise: estimates err, and the best of many estimates errs upwards
constexpr double kFirstSlope =
    0.2;                     // what one more token costs at least, as a share of the first, before that is known
constexpr int kRetry = 64;   // decodes after which a size that was tried once is tried again
constexpr int kMemory = 64;  // tokens that an acceptance rate remembers, about
// Before anything is known, and then as much as so many tokens.
constexpr double kPriorWeight = 4;
constexpr double kPriorRates[] = {0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.85, 0.9, 0.93};

}  // namespace

void BatchCost::observe(int tokens, double milliseconds) {
  decodes_++;
  if (tokens < 1 || tokens > kSizes) return;
  Size& size = sizes_[static_cast<size_t>(tokens)];
  // A decode can be slow by accident, but not fast. So at first the minimum counts, then an average that a rare long
  // pause moves little and that follows a cache that fills.
  if (size.count++ == 0 || (size.count <= kKnown && milliseconds < size.usual)) size.usual = milliseconds;
  else size.usual += (milliseconds < size.usual ? 0.3 : 0.1) * (std::min(milliseconds, 3 * size.usual) - size.usual);
  size.last = decodes_;
}

bool BatchCost::known(int tokens) const {
  return tokens >= 1 && tokens <= kSizes && sizes_[static_cast<size_t>(tokens)].count >= kKnown;
}

bool BatchCost::fresh(int tokens) const {
  const Size& size = sizes_[static_cast<size_t>(tokens)];
  return size.count > 0 && decodes_ - size.last <= static_cast<int64_t>(kRetry) << std::min<int64_t>(size.count - 1, 7);
}

double BatchCost::estimate(int tokens) const {
  if (tokens > kSizes) return guess(tokens);
  const Size& size = sizes_[static_cast<size_t>(tokens)];
  if (fresh(tokens)) return size.usual;
  return size.count > 0 ? std::min(size.usual, guess(tokens)) : guess(tokens);
}

// From the nearest known sizes, on the cheap side.
double BatchCost::guess(int tokens) const {
  const auto counted = [&](int size) { return sizes_[static_cast<size_t>(size)].count > 0; };
  int below = std::min(tokens - 1, kSizes), above = tokens + 1;
  while (below > 0 && !counted(below)) below--;
  while (above <= kSizes && !counted(above)) above++;
  if (below == 0) return above <= kSizes ? sizes_[static_cast<size_t>(above)].usual : 0;
  const double from = sizes_[static_cast<size_t>(below)].usual;
  if (above <= kSizes) {
    const double to = sizes_[static_cast<size_t>(above)].usual;
    return 0.95 * (from + (to - from) * (tokens - below) / (above - below));
  }
  int smallest = 1;
  while (!counted(smallest)) smallest++;
  const double first = sizes_[static_cast<size_t>(smallest)].usual;
  const double slope =
      smallest < below ? std::max(0.0, 0.8 * (from - first) / (below - smallest)) : kFirstSlope * first / smallest;
  return from + slope * (tokens - below);
}

int Acceptance::class_of(int matched) {
  static constexpr int bounds[] = {3, 4, 5, 6, 8, 12, 16, 24};
  int found = 0;
  while (found < kClasses - 1 && matched >= bounds[found]) found++;
  return found;
}

double Acceptance::rate(int matched) const {
  const auto found = static_cast<size_t>(class_of(matched));
  const Tally& tally = tallies_[found];
  return (tally.same + kPriorWeight * kPriorRates[found]) / (tally.all + kPriorWeight);
}

void Acceptance::learn(int matched, bool same) {
  Tally& tally = tallies_[static_cast<size_t>(class_of(matched))];
  tally.same += (same ? 1 : 0) - tally.same / kMemory;
  tally.all += 1 - tally.all / kMemory;
}

int choose_draft_length(const Acceptance& acceptance, const BatchCost& cost, int matched, int singles, int max) {
  if (matched == 0 || max <= 0 || !cost.known(singles)) return 0;
  double best = kMargin * singles / cost.estimate(singles);
  double expected = 0, all_so_far = 1;
  int chosen = 0;
  for (int drafts = 1; drafts <= max; drafts++) {
    // A draft that was accepted makes the match longer by one.
    all_so_far *= acceptance.rate(matched + drafts - 1);
    expected += all_so_far;
    const double value = (singles + expected) / cost.estimate(singles + drafts);
    if (value > best) best = value, chosen = drafts;
  }
  return chosen;
}

}  // namespace streaming
