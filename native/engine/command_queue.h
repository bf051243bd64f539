#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace streaming {

// How other threads reach the engine's: commands, which it runs in order, and a call to look up when a reader has taken
// something. The thread's own end of it is wait() and end(); all else is for any thread.
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
  // The thread has ended. Says true only to commands, and to what holds on to the order of theirs.
  bool ended() const { return ended_; }

  // Fills in the commands that have come. With `busy` it does not wait for one; else until there is one, a notify() or
  // stop(), for so many milliseconds at most, where given. False: these have passed.
  bool wait(std::vector<Command>& commands, bool busy, std::optional<double> milliseconds);
  // The thread ends: the last commands are run, and whatever comes from now on where it comes.
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
