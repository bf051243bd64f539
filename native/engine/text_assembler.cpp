#include "engine/text_assembler.h"

#include <algorithm>
#include <cstdint>

namespace streaming {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Character {
  size_t length;  // bytes looked at
  enum { valid, invalid, incomplete } state;
};

// The character at the front of `bytes`, by the table of well-formed byte sequences (Unicode 15, table 3-7).
Character front(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, Character::valid};
  const size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                        : lead >= 0xE0 && lead <= 0xEF ? 3
                        : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                       : 0;
  if (length == 0) return {1, Character::invalid};
  for (size_t i = 1; i < length; i++) {
    if (i == bytes.size()) return {i, Character::incomplete};
    const uint8_t low = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i) < low || byte(i) > high) return {i, Character::invalid};
  }
  return {length, Character::valid};
}

}  // namespace

TextAssembler::Piece TextAssembler::append(std::string_view bytes) {
  if (stopped_) return {};
  held_ += bytes;
  size_t match = std::string::npos;
  for (const auto& stop : stops_) match = std::min(match, held_.find(stop));
  if (match != std::string::npos) {
    stopped_ = true;
    return take(match, true);
  }
  // Holds back the longest suffix that a stop string begins with.
  size_t waiting = 0;
  for (const auto& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > waiting; length--) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) waiting = length;
    }
  }
  return take(held_.size() - waiting, false);
}

TextAssembler::Piece TextAssembler::finish(bool ended) { return stopped_ ? Piece{} : take(held_.size(), ended); }

TextAssembler::Piece TextAssembler::take(size_t limit, bool replace_incomplete) {
  Piece piece;
  const std::string_view bytes = std::string_view(held_).substr(0, limit);
  while (piece.bytes < bytes.size()) {
    const auto [length, state] = front(bytes.substr(piece.bytes));
    if (state == Character::incomplete && !replace_incomplete) break;
    piece.text += state == Character::valid ? bytes.substr(piece.bytes, length) : kReplacement;
    piece.bytes += length;
  }
  held_.erase(0, piece.bytes);
  return piece;
}

}  // namespace streaming
