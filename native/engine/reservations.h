#pragma once
#include <map>
#include <mutex>
#include <optional>

#include "engine/cache_size.h"
#include "engine/context_options.h"
#include "policy/cache_policy.h"

namespace streaming {

// What has been reserved for the sequences that are open, by their handles. Any thread.
class Reservations {
 public:
  Reservations(const ContextOptions& options, bool recurrent) : options_(options), recurrent_(recurrent) {}

  // Returns the handle. Throws Failure WINDOW_TOO_LARGE or NO_SEQUENCE_LEFT.
  int reserve(const CachePolicy::Limits& limits);
  // For another sequence like this one. Throws Failure CLOSED, and as reserve().
  int reserve_like(int handle);
  void replace(int handle, const CachePolicy::Limits& limits);
  void release(int handle);

 private:
  int add(const CachePolicy::Limits& limits);

  const ContextOptions options_;
  const bool recurrent_;
  std::mutex mutex_;
  std::map<int, CachePolicy::Limits> open_;
  int next_handle_ = 0;
};

}  // namespace streaming
