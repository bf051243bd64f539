#pragma once
#include <stdexcept>
#include <string>

namespace streaming {

// An error: a code that lib/errors.ts knows and a message for people. Thrown on any thread; it reaches JavaScript as a
// thrown Error or as the last event of a stream.
struct Failure : std::runtime_error {
  Failure(std::string stable_code, const std::string& message)
      : std::runtime_error(message), code(std::move(stable_code)) {}
  std::string code;
};

}  // namespace streaming
