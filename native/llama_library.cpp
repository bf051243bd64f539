#include "llama_library.h"

#include <cstring>
#include <map>
#include <mutex>

#include "failure.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace streaming {
namespace {

void* open_library(const std::string& path) {
#ifdef _WIN32
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), length);
  void* handle = reinterpret_cast<void*>(LoadLibraryExW(
      wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS));
  if (!handle) throw Failure("LIBRARY_NOT_FOUND", "cannot load " + path + ": Windows error " + std::to_string(GetLastError()));
#else
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Failure("LIBRARY_NOT_FOUND", "cannot load " + path + ": " + dlerror());
#endif
  return handle;
}

void* find_symbol(void* handle, const std::string& path, const char* name) {
#ifdef _WIN32
  void* symbol = reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(handle), name));
#else
  void* symbol = dlsym(handle, name);
#endif
  if (!symbol) {
    throw Failure("LIBRARY_MISMATCH", path + " has no function " + name +
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
  void* const base_library = open_library(paths.ggml_base);
  void* const ggml_library = open_library(paths.ggml);
  handle_ = open_library(paths.llama);
#define X(f) f = reinterpret_cast<decltype(f)>(find_symbol(handle_, paths.llama, #f));
  LLAMA_FUNCTIONS(X)
#undef X
#define X(f) f = reinterpret_cast<decltype(f)>(find_symbol(ggml_library, paths.ggml, #f));
  GGML_FUNCTIONS(X)
#undef X
#define X(f) f = reinterpret_cast<decltype(f)>(find_symbol(base_library, paths.ggml_base, #f));
  GGML_BASE_FUNCTIONS(X)
#undef X
  // The package's metadata has been read in TypeScript; this is the library's own word.
  const std::string version = llama_version();
  if (version.rfind("0.4.", 0) != 0 && version.rfind("0.5.", 0) != 0) {
    throw Failure("LIBRARY_MISMATCH", paths.llama + " is llama.cpp " + version + "; this package was made for 0.4.x and 0.5.x");
  }
  llama_log_set(on_log, nullptr);
  ggml_backend_load_all_from_path(paths.backend_directory.c_str());
  if (ggml_backend_dev_count() == 0) {
    throw Failure("LIBRARY_NOT_FOUND", "no back end of llama.cpp in " + paths.backend_directory + " runs on this machine");
  }
  llama_backend_init();
}

const LlamaLibrary& LlamaLibrary::open(const Paths& paths) {
  std::lock_guard lock(open_mutex);
  if (!opened) opened = new LlamaLibrary(paths);
  if (opened->path_ != paths.llama) {
    throw Failure("LIBRARY_MISMATCH", "this process has opened " + opened->path_ + ", so it cannot open " + paths.llama +
                                          " as well: a process has one set of llama.cpp's libraries; use another process for the other");
  }
  return *opened;
}

const LlamaLibrary& LlamaLibrary::get() { return *opened; }

void* LlamaLibrary::symbol(const char* name) { return find_symbol(opened->handle_, opened->path_, name); }

void LlamaLibrary::listen(const void* owner, Log log) {
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
