#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llama/grammar_rules.h"

namespace streaming {

// Reads GBNF as llama.cpp's parser does, within limits on what groups and repetitions become.
class GrammarParser {
 public:
  using Alternative = std::vector<int>;  // elements, as GrammarRules has them, without the end
  struct Rule {
    bool defined = false;
    std::vector<Alternative> alternatives = {};
  };

  // Throws Failure INVALID_OPTION.
  GrammarParser(const std::string& source, const GrammarRules::TokenOf& token_of);

  std::vector<Rule> rules;
  std::vector<GrammarRules::Terminal> terminals;
  int root = -1;

 private:
  using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;
  void parse_rule();
  void parse_alternates(int rule, bool nested);
  Alternative parse_sequence(bool nested);
  void parse_literal(Alternative& elements);
  void parse_set(Alternative& elements);
  int parse_token();
  int parse_group();
  void repeat(Alternative& elements, size_t start, bool nested);
  std::pair<int, int> parse_counts(bool nested);
  int parse_count();
  uint32_t parse_character();
  std::string_view parse_name();
  int rule_named(std::string_view name);
  int new_rule();
  int terminal(GrammarRules::Terminal wanted);
  int characters(Ranges ranges, bool inverted);
  void add(Alternative& elements, int element);

  void skip_space(bool newlines);
  char next(size_t ahead = 0) const { return position_ + ahead < source_.size() ? source_[position_ + ahead] : '\0'; }
  bool at_end() const { return position_ >= source_.size(); }
  bool take(std::string_view text);
  [[noreturn]] void fail(const std::string& message) const;

  const std::string& source_;
  const GrammarRules::TokenOf& token_of_;
  std::map<std::string, int, std::less<>> names_;
  std::map<Ranges, int> by_ranges_;
  size_t position_ = 0;
  int nesting_ = 0;
  int elements_ = 0;
};

}  // namespace streaming
