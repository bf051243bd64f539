#pragma once
#include <array>
#include <cstdint>

namespace streaming {

// The most tokens that are tried beyond the next one.
constexpr int kMaxDrafts = 15;

// What a batch of so many single tokens costs, in milliseconds, learned from decodes. Not proportional to its size, not
// even monotonic: kernels for some sizes are better than for others. One for each engine, on its thread.
class BatchCost {
 public:
  void observe(int tokens, double milliseconds);
  bool known(int tokens) const;
  // A size that was never tried, or not for a long time, is assumed to be cheap, so that it is tried where that would
  // pay.
  double estimate(int tokens) const;

 private:
  static constexpr int kSizes = 96;
  struct Size {
    double usual = 0;
    int64_t count = 0, last = 0;  // how often, and in which decode last
  };
  bool fresh(int tokens) const;
  double guess(int tokens) const;

  std::array<Size, kSizes + 1> sizes_{};
  int64_t decodes_ = 0;
};

// How often the token that followed an earlier occurrence of the last `matched` tokens is the next one again, learned
// from one conversation: from each of its tokens, whether drafts were decoded or not. On the engine's thread.
class Acceptance {
 public:
  double rate(int matched) const;
  void learn(int matched, bool same);

 private:
  static constexpr int kClasses = 9;
  static int class_of(int matched);
  struct Tally {
    double same = 0, all = 0;
  };
  std::array<Tally, kClasses> tallies_{};
};

// How many drafts (0 to `max`) promise the most tokens for the time, in a batch that has `singles` tokens without
// them.
int choose_draft_length(const Acceptance& acceptance, const BatchCost& cost, int matched, int singles, int max);

}  // namespace streaming
