#pragma once
#include <cstddef>
#include <functional>

namespace streaming {

// Runs `work` on a thread with a stack of at least `bytes` of its own, and waits for its end; what it throws is thrown
// here. Only what is used of the stack takes memory. The thread lives as long as the call: some 50 microseconds more.
// Throws Failure OUT_OF_MEMORY where the system does not give that much.
void on_big_stack(size_t bytes, const std::function<void()>& work);

}  // namespace streaming
