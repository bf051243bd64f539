#pragma once
#include <cstddef>
#include <functional>

namespace streaming {

// Runs `work` on a thread with a stack of at least `bytes`, and waits for its end; what it throws is thrown here. Only
// the used part of the stack takes memory. The thread lives as long as the call and costs some 50 microseconds. Throws
// Failure OUT_OF_MEMORY if the system does not give that much.
void on_big_stack(size_t bytes, const std::function<void()>& work);

}  // namespace streaming
