#pragma once
#include <ggml.h>

namespace streaming {

// llama.cpp ends the process where an assertion of its own fails. What a model's file can do to reach one is refused by
// lib/gguf before it is loaded, as far as it is known (docs/asserts.md). For the rest there is this: an assertion that
// fails on a thread which is inside `catch_exceptions` is thrown as an exception with its words, so that it costs the
// model and not the process. A back end's arithmetic is left out: other threads wait for this one there, and would for
// ever. Not on Windows, whose C libraries exceptions may not pass through.
void throw_assertions(decltype(&::ggml_set_abort_callback) set_callback);

// Whether one was thrown on this thread since the last call. What llama.cpp was about is half done then, so a context
// in which it happened must decode nothing more.
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
