#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// The texts of a vocabulary's tokens, sorted by their bytes, so that a prefix that many of them share is processed
// once.
class VocabularyTexts {
 public:
  struct Entry {
    Token token;
    uint32_t begin, length;
    uint32_t shared;  // bytes at its beginning that are those of the entry before it
    bool hidden;      // a control token, which has no text in a reply unless it is among those shown
  };
  // All tokens' texts, and what of them shows in a reply.
  VocabularyTexts(const std::vector<std::string>& texts, const std::vector<std::string>& plain);
  const std::vector<Entry>& entries() const { return entries_; }
  std::string_view text(const Entry& entry) const { return std::string_view(bytes_).substr(entry.begin, entry.length); }

 private:
  std::string bytes_;
  std::vector<Entry> entries_;  // without tokens that have no text
};

}  // namespace streaming
