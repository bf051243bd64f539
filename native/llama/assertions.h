#pragma once
#include <ggml.h>

namespace streaming {

// llama.cpp ends the process when one of its assertions fails. A model file that is known to reach one is refused by
// lib/gguf before it is loaded (docs/asserts.md). For the rest, an assertion that fails on a thread inside
// `catch_exceptions` is thrown as an exception with the assertion's text: the model is lost, not the process. A back
// end's arithmetic is excluded: other threads wait for this one there and would never be woken. Not on Windows, where
// exceptions may not pass through the C libraries.
void throw_assertions(decltype(&::ggml_set_abort_callback) set_callback);

// Whether one was thrown on this thread since the last call. llama.cpp's work is half done then, so a context in which
// it happened must decode nothing more.
bool take_assertion();

// While one lives, its thread is inside `catch_exceptions`.
class AssertionsThrown {
 public:
  AssertionsThrown();
  ~AssertionsThrown();
  AssertionsThrown(const AssertionsThrown&) = delete;
  AssertionsThrown& operator=(const AssertionsThrown&) = delete;
};

}  // namespace streaming
