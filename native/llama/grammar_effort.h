#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "support/failure.h"

namespace streaming {

// The code of the Failure by which work ends that its job's reader, time limit or model no longer wants. The engine's
// own: it says how the job ends.
inline constexpr const char* kInterrupted = "INTERRUPTED";

// How much work a grammar may be for one token. A step is a tenth of a microsecond and a little more, or one token of
// the vocabulary; so a token takes a quarter of a second at most, for which the other chats of the model wait.
class GrammarEffort {
 public:
  static constexpr int64_t kMostSteps = 2'000'000;
  static constexpr int64_t kStepsBetweenLooks = 10'000;

  // `wanted` is asked now and then whether to go on. Nothing: always.
  explicit GrammarEffort(std::function<bool()> wanted = nullptr, int64_t most = kMostSteps)
      : wanted_(std::move(wanted)), most_(most) {}

  // Throws Failure GRAMMAR_TOO_COMPLEX, kInterrupted.
  void spend(int64_t steps) {
    done_ += steps;
    if (done_ < look_at_) return;
    if (done_ > most_) {
      throw Failure(
          "GRAMMAR_TOO_COMPLEX",
          "the grammar leaves so many ways open for the text so far that a token takes more than " +
              std::to_string(most_) +
              " steps; let its rules tell alternatives apart earlier, and repeat nothing that repeats itself");
    }
    look_at_ = done_ + kStepsBetweenLooks;
    if (wanted_ && !wanted_()) throw Failure(kInterrupted, "the job was left in the middle of a token");
  }
  void next_token() { done_ = look_at_ = 0; }
  int64_t done() const { return done_; }

 private:
  std::function<bool()> wanted_;
  const int64_t most_;
  int64_t done_ = 0, look_at_ = 0;
};

}  // namespace streaming
