#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace streaming {

// How other threads reach the engine's: by commands, which it runs in order, and by notify(), when a reader has taken
// something. The engine's thread calls wait() and end(); all else is for any thread.
class CommandQueue {
 public:
  using Command = std::function<void()>;

  // Once the engine's thread has ended, the command is run at once, on the caller's.
  void post(Command command);
  // Something besides commands may have changed: the thread should look.
  void notify();
  // The thread is to end.
  void stop();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  // The thread has ended. Only commands, and code ordered with them, ever see true.
  bool ended() const { return ended_; }

  // Fills in the commands that have come. Unless `busy`, it waits until there is one, a notify() or stop(), or for so
  // many milliseconds if given. False: these have passed.
  bool wait(std::vector<Command>& commands, bool busy, std::optional<double> milliseconds);
  // The thread ends: runs the last commands; later ones run on the thread that posts them.
  void end();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Command> commands_;
  bool notified_ = false;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
};

}  // namespace streaming
