#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// A grammar in llama.cpp's GBNF, as rules without groups and repetitions, which have become rules of their own.
// Immutable, so any thread may use it. lib/structured/grammar-check.ts reads the same language, for its messages.
class GrammarRules {
 public:
  // What one element matches: a character, or a token, whatever its text.
  struct Terminal {
    std::vector<std::pair<uint32_t, uint32_t>> ranges = {};  // of code points, ascending, with gaps between them
    bool is_token = false, inverted = false;
    Token token = -1;
    bool operator==(const Terminal&) const = default;
    bool matches(uint32_t character) const { return intersects(character, character); }
    bool matches_any() const { return is_token || !ranges.empty(); }
    bool intersects(uint32_t from, uint32_t to) const;
    bool matches_token(Token one) const { return is_token && (one == token) != inverted; }
  };
  // The one token that a text such as "<think>" stands for, if it is one.
  using TokenOf = std::function<std::optional<Token>(const std::string& text)>;

  // Throws Failure INVALID_OPTION.
  GrammarRules(const std::string& source, const TokenOf& token_of);

  // At each position an element: a rule, a terminal, or the end of an alternative.
  static constexpr int kEnd = -1;
  int at(int position) const { return elements_[static_cast<size_t>(position)]; }
  static bool is_rule(int element) { return element >= 0; }
  static int terminal_of(int element) { return -2 - element; }
  const Terminal& terminal(int index) const { return terminals_[static_cast<size_t>(index)]; }

  int root() const { return root_; }
  // The positions where a rule's alternatives begin.
  const std::vector<int>& alternatives(int rule) const { return starts_[static_cast<size_t>(rule)]; }
  bool may_be_empty(int rule) const { return empty_[static_cast<size_t>(rule)]; }
  // Rules that begin with each other have the same; one that begins with another has the larger.
  int component(int rule) const { return component_[static_cast<size_t>(rule)]; }
  int components() const { return components_; }
  bool has_tokens() const { return has_tokens_; }

 private:
  void find_empty();
  void find_components();

  std::vector<int> elements_;
  std::vector<std::vector<int>> starts_;
  std::vector<Terminal> terminals_;
  std::vector<bool> empty_;
  std::vector<int> component_;
  int components_ = 0;
  int root_ = -1;
  bool has_tokens_ = false;
};

}  // namespace streaming
