#include "engine/reservations.h"

#include <string>

#include "support/failure.h"

namespace streaming {

int Reservations::reserve(const CachePolicy::Limits& limits) {
  std::lock_guard lock(mutex_);
  return add(limits);
}

int Reservations::reserve_like(int handle) {
  std::lock_guard lock(mutex_);
  const auto found = open_.find(handle);
  if (found == open_.end()) throw Failure("CLOSED", "the sequence is closed");
  return add(CachePolicy::Limits(found->second));
}

void Reservations::replace(int handle, const CachePolicy::Limits& limits) {
  std::lock_guard lock(mutex_);
  if (const auto found = open_.find(handle); found != open_.end()) found->second = limits;
}

void Reservations::release(int handle) {
  std::lock_guard lock(mutex_);
  open_.erase(handle);
}

// The mutex is held.
int Reservations::add(const CachePolicy::Limits& limits) {
  if (!options_.queues && static_cast<int>(open_.size()) >= options_.max_sequences) {
    throw Failure(
        "NO_SEQUENCE_LEFT",
        std::to_string(options_.max_sequences) +
            " sequences are open, which is all of this model's maxSequences; close one, or load the model with more");
  }
  int needed = options_.batch_size + cells_needed(limits, recurrent_);
  if (options_.cache_tokens > 0 && needed > options_.cache_tokens) {
    const int window = limits.window - (needed - options_.cache_tokens);
    throw Failure("WINDOW_TOO_LARGE",
                  "a sequence of " + std::to_string(limits.sinks) + " sinks and a window of " +
                      std::to_string(limits.window) + " needs a cache of " + std::to_string(needed) +
                      " tokens; cacheTokens is " + std::to_string(options_.cache_tokens) + ": " +
                      (window >= 1 ? "the window may have at most " + std::to_string(window) + " tokens"
                                   : std::string("use fewer sinks")) +
                      ", or load the model with a larger cache");
  }
  for (const auto& [other, its] : open_) needed += cells_needed(its, recurrent_);
  if (!options_.queues && options_.cache_tokens > 0 && needed > options_.cache_tokens) {
    throw Failure("NO_SEQUENCE_LEFT", "the open sequences and this one need a cache of " + std::to_string(needed) +
                                          " tokens; cacheTokens is " + std::to_string(options_.cache_tokens) +
                                          ": close one, or load the model with a larger cache");
  }
  open_.emplace(next_handle_, limits);
  return next_handle_++;
}

}  // namespace streaming
