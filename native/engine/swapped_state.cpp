#include "engine/swapped_state.h"

#include <atomic>
#include <fstream>

namespace streaming {
namespace {

std::filesystem::path from_utf8(const std::string& text) {
  return std::filesystem::path(std::u8string(text.begin(), text.end()));
}

// Unlike any other of this process; the folder is its own.
std::string next_name() {
  static std::atomic<uint64_t> count{0};
  return "sequence-" + std::to_string(count++) + ".cache";
}

}  // namespace

SwappedState::SwappedState(std::vector<uint8_t> bytes, const std::string& folder)
    : bytes_(std::move(bytes)), size_(bytes_.size()) {
  if (folder.empty()) return;
  const auto path = from_utf8(folder) / next_name();
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  file.close();
  if (!file) {
    std::error_code error;
    std::filesystem::remove(path, error);
    return;
  }
  file_ = path;
  bytes_ = {};
}

SwappedState::~SwappedState() {
  if (file_.empty()) return;
  std::error_code error;
  std::filesystem::remove(file_, error);
}

std::vector<uint8_t> SwappedState::read() const {
  if (file_.empty()) return bytes_;
  std::ifstream file(file_, std::ios::binary | std::ios::ate);
  if (!file || file.tellg() != static_cast<std::streamoff>(size_)) return {};
  std::vector<uint8_t> bytes(size_);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return file ? bytes : std::vector<uint8_t>();
}

}  // namespace streaming
