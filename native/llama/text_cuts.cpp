#include "llama/text_cuts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "llama/llama_library.h"

namespace streaming {
namespace {

bool is_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// However a vocabulary writes a space and a line feed: SentencePiece, byte-level BPE, RWKV.
std::string plain_text(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kWritten[] = {
      {"\u2581", ' '}, {"\u0120", ' '}, {"\u010a", '\n'}, {"\\n", '\n'}};
  std::string plain;
  for (size_t at = 0; at < text.size();) {
    const auto rest = text.substr(at);
    const auto* found = std::find_if(std::begin(kWritten), std::end(kWritten),
                                     [&](const auto& each) { return rest.starts_with(each.first); });
    plain += found == std::end(kWritten) ? rest[0] : found->second;
    at += found == std::end(kWritten) ? 1 : found->first.size();
  }
  return plain;
}

}  // namespace

TextCuts::TextCuts(const llama_vocab* vocab, bool words) : words_(words), special_pairs_(65536) {
  const auto& f = llama();
  constexpr int kSpecial = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_USER_DEFINED;
  const auto note = [&](std::string_view text) {
    for (size_t i = 1; i < text.size(); i++) {
      if (text[i - 1] == '\n') after_line_feed_.set(byte(text, i));
      if (text[i] == ' ') before_space_.set(byte(text, i - 1));
    }
  };
  for (llama_token token = 0; token < f.llama_vocab_n_tokens(vocab); token++) {
    const std::string_view text(f.llama_vocab_get_text(vocab, token));
    const int attributes = f.llama_vocab_get_attr(vocab, token);
    note(text);
    note(plain_text(text));
    if (!(attributes & kSpecial) || text.empty()) continue;
    for (size_t i = 1; i < text.size(); i++) special_pairs_[byte(text, i - 1) << 8 | byte(text, i)] = true;
    if (attributes & LLAMA_TOKEN_ATTR_RSTRIP) strips_right_.set(byte(text, text.size() - 1));
    if (attributes & LLAMA_TOKEN_ATTR_LSTRIP) strips_left_.set(byte(text, 0));
    const bool control = attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN);
    (control ? parsed_ : always_).insert(text);
    (control ? parsed_ends_ : special_ends_).set(byte(text, text.size() - 1));
    lengths_.push_back(text.size());
  }
  std::sort(lengths_.begin(), lengths_.end());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
}

bool TextCuts::within_special(std::string_view text, size_t at) const {
  return special_pairs_[byte(text, at - 1) << 8 | byte(text, at)];
}

// Its beginning and its end lie within no other special token, so whichever is looked for first, it is found.
bool TextCuts::behind_special(std::string_view text, size_t at, bool parsed) const {
  const auto last = byte(text, at - 1);
  if (!special_ends_[last] && !(parsed && parsed_ends_[last])) return false;
  return std::any_of(lengths_.begin(), lengths_.end(), [&](size_t length) {
    if (length > at) return false;
    const auto candidate = text.substr(at - length, length);
    if (!always_.contains(candidate) && !(parsed && parsed_.contains(candidate))) return false;
    return length == at || !within_special(text, at - length);
  });
}

std::optional<TextCuts::Kind> TextCuts::at(std::string_view text, size_t at, bool parsed) const {
  if (at < 1 || at >= text.size() || within_special(text, at)) return std::nullopt;
  const auto before = byte(text, at - 1), behind = byte(text, at);
  if (!is_space(behind) && behind_special(text, at, parsed)) return special;
  if (!words_ || at < 2 || at + 1 >= text.size() || strips_right_[before] || strips_left_[behind]) return std::nullopt;
  const auto second = byte(text, at - 2);
  // What precedes the cut begins the next part of SentencePiece's, where it must be no end of a special token.
  if (special_pairs_[second << 8 | before]) return std::nullopt;
  if (before == '\n')
    return second > ' ' && second < 127 && is_letter(behind) && !after_line_feed_[behind] ? std::optional(line)
                                                                                          : std::nullopt;
  if (behind == ' ')
    return is_letter(before) && is_letter(byte(text, at + 1)) && !before_space_[before] ? std::optional(word)
                                                                                        : std::nullopt;
  return std::nullopt;
}

}  // namespace streaming
