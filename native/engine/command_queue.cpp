#include "engine/command_queue.h"

#include <chrono>
#include <utility>

namespace streaming {

void CommandQueue::post(Command command) {
  {
    std::unique_lock lock(mutex_);
    if (ended_) {
      lock.unlock();
      command();  // on this thread: there is no other any more
      return;
    }
    commands_.push_back(std::move(command));
  }
  wake_.notify_all();
}

void CommandQueue::notify() {
  {
    std::lock_guard lock(mutex_);
    notified_ = true;
  }
  wake_.notify_all();
}

void CommandQueue::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
}

bool CommandQueue::wait(std::vector<Command>& commands, bool busy, std::optional<double> milliseconds) {
  std::unique_lock lock(mutex_);
  const auto woken = [&] { return stopping_ || notified_ || !commands_.empty(); };
  if (!busy && !milliseconds) wake_.wait(lock, woken);
  if (!busy && milliseconds && !wake_.wait_for(lock, std::chrono::duration<double, std::milli>(*milliseconds), woken))
    return false;
  notified_ = false;
  commands.clear();
  commands.swap(commands_);
  return true;
}

void CommandQueue::end() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  for (auto& command : commands_) command();
  commands_.clear();
}

}  // namespace streaming
