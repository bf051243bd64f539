#include "llama/assertions.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

namespace streaming {
namespace {

thread_local int depth = 0;
thread_local bool thrown = false;

// "/where/it/was/built/src/models/llama.cpp:12: GGML_ASSERT(...) failed", from the library's own folder on.
const char* from_its_folder(const char* message) {
  for (const char* folder : {"/ggml/src/", "/src/"}) {
    if (const char* at = std::strstr(message, folder)) return at + 1;
  }
  return message;
}

#ifndef _WIN32
bool is_arithmetic(const char* place) {
  constexpr char backends[] = "ggml/src/ggml-";
  if (std::strncmp(place, backends, sizeof(backends) - 1) != 0) return false;
  // Those in a folder of their own are back ends; ggml-backend.cpp and ggml-alloc.c plan what they do.
  const char* rest = place + sizeof(backends) - 1;
  const char* folder = std::strchr(rest, '/');
  const char* colon = std::strchr(rest, ':');
  return folder && (!colon || folder < colon);
}
#endif

void on_abort(const char* message) {
  const char* place = from_its_folder(message);
#ifndef _WIN32
  if (depth > 0 && std::uncaught_exceptions() == 0 && !is_arithmetic(place)) {
    thrown = true;
    throw std::runtime_error(place);
  }
#endif
  std::fprintf(stderr, "%s\n", place);
}

}  // namespace

void throw_assertions(decltype(&::ggml_set_abort_callback) set_callback) { set_callback(on_abort); }

bool take_assertion() {
  const bool taken = thrown;
  thrown = false;
  return taken;
}

AssertionsThrown::AssertionsThrown() { depth++; }
AssertionsThrown::~AssertionsThrown() { depth--; }

}  // namespace streaming
