#pragma once
#include <cstdint>
#include <string>

namespace streaming {

// A file that llama.cpp maps into memory, as it was when this object was made. If the file is truncated, reading what
// is gone ends the process (SIGBUS); if it is written to, the weights change. A file that replaces it under the same
// name is another file: the mapping stays that of the old one, and so does this. On Windows a file that is mapped
// cannot be changed.
class MappedFile {
 public:
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  // By its size and the time of its last change. A file that could not be opened never has.
  bool changed() const;

 private:
  struct State {
    int64_t bytes = -1, seconds = 0, nanoseconds = 0;
    bool operator==(const State&) const = default;
  };
  State state() const;

  const std::string path_;
  int descriptor_ = -1;
  State first_;
};

}  // namespace streaming
