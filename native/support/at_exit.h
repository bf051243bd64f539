#pragma once
#include <functional>
#include <map>
#include <mutex>

namespace streaming {

// Who computes on threads of its own. process.exit() tells the addon nothing, and llama.cpp's libraries take their
// tables down while a thread still computes: so those threads are ended first. Any thread, with the mutex held.
struct AtExit {
  std::recursive_mutex mutex;
  std::map<const void*, std::function<void()>> stops;  // by owner; each takes itself out

  // Never destroyed. Only to be called once llama.cpp's libraries have been opened, so that they outlive what is
  // registered.
  static AtExit& get();
};

}  // namespace streaming
