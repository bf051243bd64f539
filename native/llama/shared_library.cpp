#include "llama/shared_library.h"

#include "support/failure.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace streaming {

#ifdef _WIN32

SharedLibrary::SharedLibrary(const std::string& path) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), length);
  handle_ = reinterpret_cast<void*>(
      LoadLibraryExW(wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS));
  if (!handle_)
    throw Failure("LIBRARY_NOT_FOUND", "cannot load " + path + ": Windows error " + std::to_string(GetLastError()));
}

SharedLibrary::~SharedLibrary() {
  if (!kept_) FreeLibrary(reinterpret_cast<HMODULE>(handle_));
}

void* find_symbol(void* handle, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(handle), name));
}

#else

SharedLibrary::SharedLibrary(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (!handle_) throw Failure("LIBRARY_NOT_FOUND", "cannot load " + path + ": " + dlerror());
}

SharedLibrary::~SharedLibrary() {
  if (!kept_) dlclose(handle_);
}

void* find_symbol(void* handle, const char* name) { return dlsym(handle, name); }

#endif

void* SharedLibrary::find(const char* name) const { return find_symbol(handle_, name); }

void* SharedLibrary::keep() {
  kept_ = true;
  return handle_;
}

}  // namespace streaming
