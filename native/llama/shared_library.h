#pragma once
#include <string>

namespace streaming {

// A library that the system's loader has opened. Owned by this object, closed with it unless kept. Paths are UTF-8.
class SharedLibrary {
 public:
  // Throws Failure LIBRARY_NOT_FOUND with the loader's words.
  explicit SharedLibrary(const std::string& path);
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  // Null where it has none of this name.
  void* find(const char* name) const;
  // It stays open for the life of the process.
  void* keep();

 private:
  void* handle_;
  bool kept_ = false;
};

void* find_symbol(void* handle, const char* name);

}  // namespace streaming
