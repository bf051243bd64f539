#pragma once
#include <cstdint>
#include <string>

namespace streaming {

// A file that llama.cpp maps into memory, as it was when this was made. Where it is made shorter, reading what is gone
// ends the process (SIGBUS); where it is written to, the weights change. One that takes its place under the same name
// is another file: the mapping stays that of the old one, and so does this. On Windows nobody can change a file that is
// mapped.
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
