#include "llama/thread_choice.h"

#include <algorithm>
#include <limits>

namespace streaming {
namespace {

constexpr int kKnown = 6;   // decodes after which a cost is known
constexpr int kTrial = 4;   // decodes of a trial
constexpr int kOthers = 8;  // decodes of another kind after which a trial is given up: its own may never come again
constexpr int kMinBackoff = 64;    // decodes until more threads are tried again, at first ...
constexpr int kMaxBackoff = 8192;  // ... and at most
constexpr int kSmallBatch = 16;    // up to here each size of batch has a cost of its own
constexpr double kBetter = 0.9;    // how much faster fewer threads must be

}  // namespace

ThreadChoice::ThreadChoice(int max_threads, int full_batch, bool may_change)
    : max_threads_(max_threads),
      full_batch_(full_batch),
      may_change_(may_change),
      threads_(max_threads),
      until_fewer_(kKnown),
      backoff_(kMinBackoff) {}

// 0: of no use for comparisons.
int ThreadChoice::kind(int tokens) const {
  if (tokens <= kSmallBatch) return tokens;
  return tokens > full_batch_ * 3 / 4 ? full_batch_ : 0;
}

double ThreadChoice::usual(int threads, int tokens) const {
  const auto none = std::numeric_limits<double>::infinity();
  const auto of_threads = costs_.find(threads);
  if (of_threads == costs_.end()) return none;
  const auto cost = of_threads->second.find(kind(tokens));
  return cost == of_threads->second.end() || cost->second.count < kKnown ? none : cost->second.usual;
}

double ThreadChoice::limit(int tokens) const {
  if (trying_ && threads_ > from_) return 3 * usual(from_, tokens) + 10;
  return limit_on(threads_, tokens);
}

double ThreadChoice::limit_on(int threads, int tokens) const {
  if (!may_change_ || threads == 1) return std::numeric_limits<double>::infinity();
  return 8 * usual(threads, tokens) + 50;
}

// Near the fast end of what is measured, but it forgets: a cache that fills makes each token slower.
bool ThreadChoice::learn(Cost& cost, double milliseconds) {
  const bool slow = cost.count >= kKnown && milliseconds > 2 * cost.usual;
  if (cost.count++ == 0) cost.usual = milliseconds;
  else cost.usual += (milliseconds < cost.usual ? 0.3 : 0.03) * (milliseconds - cost.usual);
  return slow;
}

void ThreadChoice::observe_on(int threads, int tokens, double milliseconds) {
  if (may_change_ && kind(tokens) != 0) learn(costs_[threads][kind(tokens)], milliseconds);
}

void ThreadChoice::observe(int tokens, double milliseconds) {
  if (!may_change_) return;
  const int kind = this->kind(tokens);
  if (trying_ && kind != trial_kind_ && ++trial_others_ >= kOthers) {
    const bool fewer = threads_ < from_;
    end_trial(false);
    if (fewer) until_fewer_ = kKnown;  // nothing was found out
    return;
  }
  if (kind == 0) return;
  Cost& cost = costs_[threads_][kind];
  const bool slow = learn(cost, milliseconds);
  if (trying_) {
    if (kind != trial_kind_) return;
    trial_sum_ += milliseconds;
    if (++trial_count_ < kTrial) return;
    const double before = costs_[from_][kind].usual, now = trial_sum_ / kTrial;
    return end_trial(threads_ < from_ ? now < kBetter * before : now < before);
  }
  slow_ = std::max(0, slow_ + (slow ? 1 : -1));
  if (cost.count < kKnown) return;
  if (threads_ > 1 && (slow_ >= 8 || (until_fewer_ > 0 && --until_fewer_ == 0))) return try_threads(threads_ - 1, kind);
  if (threads_ < max_threads_ && --until_more_ <= 0) try_threads(threads_ + 1, kind);
}

void ThreadChoice::gave_up() {
  if (threads_ == 1) return;
  if (trying_ && threads_ > from_) return end_trial(false);
  threads_--;
  until_more_ = backoff_;
  forget_trial();
}

void ThreadChoice::try_threads(int threads, int kind) {
  forget_trial();
  trying_ = true;
  from_ = threads_;
  trial_kind_ = kind;
  threads_ = threads;
}

// The end of a trial: it stays with what was tried, or goes back.
void ThreadChoice::end_trial(bool stay) {
  const bool fewer = threads_ < from_;
  if (fewer && stay) {
    until_fewer_ = kKnown;  // perhaps fewer still
    until_more_ = backoff_;
  } else if (fewer) {
    threads_ = from_;
  } else if (stay) {
    backoff_ = kMinBackoff;
    until_more_ = kKnown;
  } else {
    threads_ = from_;
    backoff_ = std::min(2 * backoff_, kMaxBackoff);
    until_more_ = backoff_;
  }
  forget_trial();
}

void ThreadChoice::forget_trial() {
  trying_ = false;
  trial_count_ = trial_others_ = slow_ = 0;
  trial_sum_ = 0;
}

}  // namespace streaming
