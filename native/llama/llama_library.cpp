#include "llama/llama_library.h"

#include <cstring>
#include <map>
#include <mutex>

#include "llama/assertions.h"
#include "llama/backends.h"
#include "llama/shared_library.h"
#include "support/failure.h"

namespace streaming {
namespace {

void* need_symbol(void* handle, const std::string& path, const char* name) {
  void* symbol = find_symbol(handle, name);
  if (!symbol) {
    throw Failure("LIBRARY_MISMATCH",
                  path + " has no function " + name +
                      ": it is another version of llama.cpp than this package was made for (0.4.x or 0.5.x)");
  }
  return symbol;
}

// Listeners by owner: one for each JavaScript environment (main thread, workers) that asked for the log.
// Never destroyed, like all statics here: threads may still log while the process exits.
std::mutex& listeners_mutex = *new std::mutex;
auto& listeners = *new std::map<const void*, LlamaLibrary::Log>;
thread_local std::string errors;

void on_log(ggml_log_level level, const char* text, void*) {
  constexpr size_t kept_bytes = 2000;
  if (level == GGML_LOG_LEVEL_ERROR && errors.size() < kept_bytes) errors += text;
  std::lock_guard lock(listeners_mutex);
  for (auto& [owner, log] : listeners) log(static_cast<int>(level), text);
}

std::mutex& open_mutex = *new std::mutex;
const LlamaLibrary* opened = nullptr;

}  // namespace

LlamaLibrary::LlamaLibrary(const Paths& paths) : path_(paths.llama) {
  // Bottom up, so that each finds the one it needs already there.
  void* const base_library = SharedLibrary(paths.ggml_base).keep();
  void* const ggml_library = SharedLibrary(paths.ggml).keep();
  handle_ = SharedLibrary(paths.llama).keep();
#define X(f) f = reinterpret_cast<decltype(f)>(need_symbol(handle_, paths.llama, #f));
  LLAMA_FUNCTIONS(X)
#undef X
#define X(f) f = reinterpret_cast<decltype(f)>(need_symbol(ggml_library, paths.ggml, #f));
  GGML_FUNCTIONS(X)
#undef X
#define X(f) f = reinterpret_cast<decltype(f)>(need_symbol(base_library, paths.ggml_base, #f));
  GGML_BASE_FUNCTIONS(X)
#undef X
  // The package's metadata has been read in TypeScript; this is the library's own word.
  const std::string version = llama_version();
  if (version.rfind("0.4.", 0) != 0 && version.rfind("0.5.", 0) != 0) {
    throw Failure("LIBRARY_MISMATCH",
                  paths.llama + " is llama.cpp " + version + "; this package was made for 0.4.x and 0.5.x");
  }
  llama_log_set(on_log, nullptr);
  throw_assertions(ggml_set_abort_callback);
  cpu_backend_ = load_cpu_backend(*this, paths.cpu_backends);
  for (const auto& file : paths.accelerators) ggml_backend_load(file.c_str());
  take_errors();
  llama_backend_init();
}

const LlamaLibrary& LlamaLibrary::open(const Paths& paths) {
  std::lock_guard lock(open_mutex);
  if (!opened) opened = new LlamaLibrary(paths);
  if (opened->path_ != paths.llama) {
    throw Failure("LIBRARY_MISMATCH",
                  "this process has opened " + opened->path_ + ", so it cannot open " + paths.llama +
                      " as well: a process has one set of llama.cpp's libraries; use another process for the other");
  }
  return *opened;
}

const LlamaLibrary& LlamaLibrary::get() { return *opened; }

void* LlamaLibrary::symbol(const char* name) { return need_symbol(opened->handle_, opened->path_, name); }

void LlamaLibrary::listen(const void* owner, Log log) {
  // A process has one place for the log, and another addon in it may have taken that since open().
  if (log && opened) opened->llama_log_set(on_log, nullptr);
  std::lock_guard lock(listeners_mutex);
  if (log) listeners[owner] = std::move(log);
  else listeners.erase(owner);
}

std::string LlamaLibrary::take_errors() {
  std::string taken;
  taken.swap(errors);
  while (!taken.empty() && (taken.back() == '\n' || taken.back() == ' ')) taken.pop_back();
  return taken;
}

}  // namespace streaming
