#include "support/mapped_file.h"

#include <utility>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace streaming {

#ifdef _WIN32
MappedFile::MappedFile(std::string path) : path_(std::move(path)) {}
MappedFile::~MappedFile() = default;
MappedFile::State MappedFile::state() const { return {}; }
#else
MappedFile::MappedFile(std::string path)
    : path_(std::move(path)), descriptor_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)), first_(state()) {}

MappedFile::~MappedFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

MappedFile::State MappedFile::state() const {
  struct stat found{};
  if (descriptor_ < 0 || fstat(descriptor_, &found) != 0) return {};
#ifdef __APPLE__
  const auto& changed = found.st_mtimespec;
#else
  const auto& changed = found.st_mtim;
#endif
  return {static_cast<int64_t>(found.st_size), static_cast<int64_t>(changed.tv_sec),
          static_cast<int64_t>(changed.tv_nsec)};
}
#endif

bool MappedFile::changed() const { return state() != first_; }

}  // namespace streaming
