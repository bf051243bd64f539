#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "support/failure.h"

namespace streaming {

// The code of the Failure that ends work which is no longer needed: the reader has left, the time is over or the model
// is being closed. Internal: the engine decides how the job ends.
inline constexpr const char* kInterrupted = "INTERRUPTED";

// How much work a grammar may take for one token. A step is a little more than a tenth of a microsecond, or one token
// of the vocabulary. So a token takes at most a quarter of a second, during which the model's other chats wait.
class GrammarBudget {
 public:
  static constexpr int64_t kMaxSteps = 2'000'000;
  static constexpr int64_t kStepsBetweenChecks = 10'000;

  // `should_continue` is called every kStepsBetweenChecks steps. Null: always true.
  explicit GrammarBudget(std::function<bool()> should_continue = nullptr, int64_t max_steps = kMaxSteps)
      : should_continue_(std::move(should_continue)), max_steps_(max_steps) {}

  // Throws Failure GRAMMAR_TOO_COMPLEX, kInterrupted.
  void spend(int64_t steps) {
    spent_ += steps;
    if (spent_ < check_at_) return;
    if (spent_ > max_steps_) {
      throw Failure(
          "GRAMMAR_TOO_COMPLEX",
          "the grammar leaves so many ways open for the text so far that a token takes more than " +
              std::to_string(max_steps_) +
              " steps; let its rules tell alternatives apart earlier, and repeat nothing that repeats itself");
    }
    check_at_ = spent_ + kStepsBetweenChecks;
    if (should_continue_ && !should_continue_())
      throw Failure(kInterrupted, "the job was left in the middle of a token");
  }
  void next_token() { spent_ = check_at_ = 0; }
  int64_t spent() const { return spent_; }

 private:
  std::function<bool()> should_continue_;
  const int64_t max_steps_;
  int64_t spent_ = 0, check_at_ = 0;
};

}  // namespace streaming
