#pragma once
#include <exception>
#include <optional>
#include <string>

#include "llama/assertions.h"

#ifdef _WIN32
#include <windows.h>
#endif

namespace streaming {

#if defined(_WIN32) && !defined(_MSC_VER)
// llama.cpp's libraries for Windows throw MSVC's exceptions, which a MinGW build cannot catch as C++; as structured
// exceptions of this number it can. The function must own nothing that needs a destructor.
template <class F>
__attribute__((noinline)) bool run_seh(F& call) {
  __try {
    call();
    return true;
  } __except (GetExceptionCode() == 0xE06D7363 ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
    return false;
  }
}
template <class F>
std::optional<std::string> catch_exceptions(F&& call) {
  if (run_seh(call)) return std::nullopt;
  return std::string();
}
#else
// Runs a call into llama.cpp that may throw, or fail an assertion (assertions.h). Returns what it threw, in words, or
// nothing if it did not: exceptions of another C++ runtime may have no readable words.
template <class F>
std::optional<std::string> catch_exceptions(F&& call) {
  try {
    const AssertionsThrown here;
    call();
    return std::nullopt;
  } catch (const std::exception& error) {
    return std::string(error.what());
  } catch (...) {
    return std::string();
  }
}
#endif

}  // namespace streaming
