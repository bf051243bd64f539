#pragma once
#include <functional>
#include <map>
#include <mutex>

namespace streaming {

// The objects that compute on threads of their own. process.exit() does not notify the addon, and llama.cpp's libraries
// destroy their tables while a thread still computes; so those threads are ended first. Any thread, with the mutex
// held.
struct AtExit {
  std::recursive_mutex mutex;
  std::map<const void*, std::function<void()>> stops;  // by owner; each takes itself out

  // Never destroyed. Call it only once llama.cpp's libraries have been opened, so that they outlive what is registered.
  static AtExit& get();
};

}  // namespace streaming
