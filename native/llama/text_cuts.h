#pragma once
#include <llama.h>

#include <array>
#include <bitset>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace streaming {

// Where a text can be cut so that its parts, tokenized separately, give the tokens of the whole. There are three kinds
// of such places:
//
// - `line`: behind a line feed that follows one visible ASCII character and precedes an ASCII letter, "x\n|A";
// - `word`: before a space between two ASCII letters, "a| b";
// - `special`: behind a special token, where no white space follows.
//
// No special token's text may lie across the place, nor strip white space there: then finding special tokens, which
// comes first, finds the same ones in the parts. At `special` places that is all, since text on either side of a
// special token is tokenized apart. At the others two more things hold:
//
// - No token of the vocabulary has the two characters next to each other. So no merge ever joins them, and merges left
//   and right of them do not depend on each other: this is all for SentencePiece's merges, and goes for the best path
//   of PLaMo and the longest match of RWKV as well.
// - All of llama.cpp's expressions that split text for byte-level BPE begin a new piece here, whatever lies before or
//   behind, or (gemma4, exaone-moe, superbpe) have a piece that goes on across the place, and the first point says
//   that its halves are merged apart. None looks behind, and none looks ahead across a letter: the one white space
//   character is a piece of its own, or begins that of the word behind it, in the whole as in the parts.
//
// Unigram vocabularies add up scores, whose rounding depends on where a text begins, and some tokenizers count
// characters from its beginning: these are cut at `special` places alone. Never changes; any thread.
class TextCuts {
 public:
  // `words`: `line` and `word` places exist. Keeps views of the vocabulary's texts.
  TextCuts(const llama_vocab* vocab, bool words);

  enum Kind { line, word, special };
  // Whether there is such a place before text[at]. `parsed`: the texts of control tokens become these tokens.
  std::optional<Kind> at(std::string_view text, size_t at, bool parsed) const;

 private:
  static unsigned char byte(std::string_view text, size_t at) { return static_cast<unsigned char>(text[at]); }
  bool within_special(std::string_view text, size_t at) const;
  bool behind_special(std::string_view text, size_t at, bool parsed) const;

  const bool words_;
  std::bitset<256> after_line_feed_, before_space_;       // by the other character: some token has both
  std::vector<bool> special_pairs_;                       // two bytes that are next to each other in some special token
  std::bitset<256> special_ends_, parsed_ends_;           // bytes that special tokens end with, by those below
  std::bitset<256> strips_right_, strips_left_;           // the byte at which a special token does so
  std::unordered_set<std::string_view> always_, parsed_;  // special tokens in any text, and those where `parsed`
  std::vector<size_t> lengths_;
};

}  // namespace streaming
