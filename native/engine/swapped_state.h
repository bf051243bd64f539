#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace streaming {

// The cells of a sequence that is swapped out: in memory, or in a file of its own, which is deleted with this object.
// Immutable, so that forks share it.
class SwappedState {
 public:
  // `folder`: where the file goes; empty: memory. A file that cannot be written stays in memory.
  SwappedState(std::vector<uint8_t> bytes, const std::string& folder);
  ~SwappedState();
  SwappedState(const SwappedState&) = delete;
  SwappedState& operator=(const SwappedState&) = delete;

  // Empty where the file is gone, or is not what was written.
  std::vector<uint8_t> read() const;

 private:
  std::vector<uint8_t> bytes_;
  std::filesystem::path file_;
  size_t size_;
};

}  // namespace streaming
