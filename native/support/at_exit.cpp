#include "support/at_exit.h"

#include <cstdlib>

namespace streaming {

AtExit& AtExit::get() {
  static auto& all = *[] {
    // After the libraries were loaded, hence before their own destructors.
    std::atexit([] {
      auto& [mutex, stops] = get();
      std::lock_guard lock(mutex);
      while (!stops.empty()) std::function<void()>(stops.begin()->second)();
    });
    return new AtExit;
  }();
  return all;
}

}  // namespace streaming
