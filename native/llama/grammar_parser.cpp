#include "llama/grammar_parser.h"

#include <algorithm>
#include <climits>

#include "support/failure.h"

namespace streaming {
namespace {

// Those of grammar-check.ts.
constexpr int kMaxNesting = 100;
constexpr int kMaxRules = 50'000;
constexpr int kMaxElements = 250'000;
constexpr int kNoLimit = INT_MAX;
constexpr uint32_t kLastCharacter = 0x10FFFF;

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Ascending, with gaps between them, and without what UTF-8 has no place for.
std::vector<std::pair<uint32_t, uint32_t>> normal(std::vector<std::pair<uint32_t, uint32_t>> ranges, bool inverted) {
  std::erase_if(ranges, [](const auto& range) { return range.first > range.second; });
  std::sort(ranges.begin(), ranges.end());
  std::vector<std::pair<uint32_t, uint32_t>> merged, result;
  for (const auto& [from, to] : ranges) {
    if (!merged.empty() && (merged.back().second >= kLastCharacter || from <= merged.back().second + 1))
      merged.back().second = std::max(merged.back().second, to);
    else merged.push_back({from, to});
  }
  if (inverted) {
    std::vector<std::pair<uint32_t, uint32_t>> gaps;
    uint32_t next = 0;
    for (const auto& [from, to] : merged) {
      if (from > next) gaps.push_back({next, from - 1});
      next = to >= kLastCharacter ? kLastCharacter + 1 : to + 1;
    }
    if (next <= kLastCharacter) gaps.push_back({next, kLastCharacter});
    merged.swap(gaps);
  }
  for (const auto& [from, to] : merged) {
    if (from < 0xD800) result.push_back({from, std::min(to, 0xD7FFu)});
    if (to > 0xDFFF && from <= kLastCharacter)
      result.push_back({std::max(from, 0xE000u), std::min(to, kLastCharacter)});
  }
  return result;
}

}  // namespace

GrammarParser::GrammarParser(const std::string& source, const GrammarRules::TokenOf& token_of)
    : source_(source), token_of_(token_of) {
  skip_space(true);
  while (!at_end()) parse_rule();
  for (const auto& [name, rule] : names_) {
    if (!rules[static_cast<size_t>(rule)].defined)
      throw Failure("INVALID_OPTION", "the grammar's rule '" + name + "' is not defined");
  }
  const auto found = names_.find("root");
  if (found == names_.end()) throw Failure("INVALID_OPTION", "the grammar has no rule 'root'");
  root = found->second;
}

void GrammarParser::parse_rule() {
  const auto name = parse_name();
  skip_space(false);
  if (!take("::=")) fail("'::=' was expected");
  const int rule = rule_named(name);
  if (rules[static_cast<size_t>(rule)].defined) fail("the rule is defined twice");
  skip_space(true);
  parse_alternates(rule, false);
  if (!at_end() && next() != '\r' && next() != '\n') fail("the end of the line was expected");
  skip_space(true);
}

void GrammarParser::parse_alternates(int rule, bool nested) {
  std::vector<Alternative> alternatives{parse_sequence(nested)};
  while (take("|")) {
    if (++elements_ > kMaxElements) fail("it has too many elements");
    skip_space(true);
    alternatives.push_back(parse_sequence(nested));
  }
  rules[static_cast<size_t>(rule)] = {true, std::move(alternatives)};
}

GrammarParser::Alternative GrammarParser::parse_sequence(bool nested) {
  Alternative elements;
  size_t start = 0;  // of the last item
  for (;;) {
    const char c = next();
    if (c == '*' || c == '+' || c == '?' || c == '{') {
      repeat(elements, start, nested);
      skip_space(nested);
      continue;
    }
    const size_t before = elements.size();
    if (c == '"') parse_literal(elements);
    else if (c == '[') parse_set(elements);
    else if (c == '.') position_++, add(elements, characters({{0, kLastCharacter}}, false));
    else if (c == '<' || c == '!') add(elements, parse_token());
    else if (is_name(c)) add(elements, rule_named(parse_name()));
    else if (c == '(') add(elements, parse_group());
    else return elements;
    start = before;
    skip_space(nested);
  }
}

int GrammarParser::parse_group() {
  if (++nesting_ > kMaxNesting) fail("parentheses are nested too deep");
  position_++;
  skip_space(true);
  const int group = new_rule();
  parse_alternates(group, true);
  if (!take(")")) fail("')' was expected");
  nesting_--;
  return group;
}

// S{m,n} becomes m times S and a rule S(n-m) of those that follow, each S(i) ::= S S(i-1) | nothing.
void GrammarParser::repeat(Alternative& elements, size_t start, bool nested) {
  const auto [min, max] = parse_counts(nested);
  if (start == elements.size()) fail("there is nothing to repeat");
  if (min > max) fail("a repetition has its limits the wrong way round");
  const Alternative item(elements.begin() + static_cast<std::ptrdiff_t>(start), elements.end());
  if (min == 0) elements.resize(start);
  for (int i = 1; i < min; i++) {
    for (const int element : item) add(elements, element);
  }
  int last = -1;
  for (int i = 0; i < (max == kNoLimit ? 1 : max - min); i++) {
    const int rule = new_rule();
    Alternative body;
    for (const int element : item) add(body, element);
    if (max == kNoLimit) add(body, rule);
    else if (last >= 0) add(body, last);
    rules[static_cast<size_t>(rule)] = {true, {std::move(body), {}}};
    last = rule;
  }
  if (last >= 0) add(elements, last);
}

std::pair<int, int> GrammarParser::parse_counts(bool nested) {
  if (take("*")) return {0, kNoLimit};
  if (take("+")) return {1, kNoLimit};
  if (take("?")) return {0, 1};
  position_++;
  skip_space(nested);
  const int min = parse_count();
  int max = min;
  skip_space(nested);
  if (take(",")) {
    skip_space(nested);
    max = is_digit(next()) ? parse_count() : kNoLimit;
    skip_space(nested);
  }
  if (!take("}")) fail("'}' was expected");
  return {min, max};
}

int GrammarParser::parse_count() {
  if (!is_digit(next())) fail("a number was expected");
  int count = 0;
  for (; is_digit(next()); position_++) {
    count = count * 10 + (next() - '0');
    if (count > kMaxElements) fail("a repetition has too large a number");
  }
  return count;
}

void GrammarParser::parse_literal(Alternative& elements) {
  position_++;
  while (!take("\"")) {
    const uint32_t character = parse_character();
    add(elements, characters({{character, character}}, false));
  }
}

void GrammarParser::parse_set(Alternative& elements) {
  position_++;
  const bool inverted = take("^");
  Ranges ranges;
  while (!take("]")) {
    const uint32_t from = parse_character();
    uint32_t to = from;
    if (next() == '-' && next(1) != ']') position_++, to = parse_character();
    ranges.push_back({from, to});
    if (++elements_ > kMaxElements) fail("it has too many elements");
  }
  // A set without members is nothing at all to llama.cpp.
  if (!ranges.empty()) add(elements, characters(std::move(ranges), inverted));
}

int GrammarParser::parse_token() {
  const bool inverted = take("!");
  const size_t begin = position_;
  if (!take("<")) fail("'<' was expected");
  Token token = -1;
  if (take("[")) {
    token = parse_count();
    if (!take("]>")) fail("']>' was expected");
  } else {
    const size_t end = source_.find('>', position_);
    if (end == std::string::npos) fail("'>' was expected");
    position_ = end + 1;
    const auto found = token_of_(source_.substr(begin, position_ - begin));
    if (!found) fail("'" + source_.substr(begin, position_ - begin) + "' is no single token of this model");
    token = *found;
  }
  return terminal({{}, true, inverted, token});
}

uint32_t GrammarParser::parse_character() {
  if (at_end()) fail("more was expected");
  const auto byte = [&](size_t ahead) { return static_cast<uint8_t>(next(ahead)); };
  if (next() != '\\') {
    const uint8_t first = byte(0);
    const int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint32_t value = more == 0 ? first : first & (0x3F >> more);
    for (int i = 1; i <= more; i++) value = (value << 6) | (byte(static_cast<size_t>(i)) & 0x3F);
    position_ += static_cast<size_t>(more) + 1;
    return value;
  }
  const char kind = next(1);
  position_ += 2;
  switch (kind) {
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-': return static_cast<uint32_t>(kind);
    case 'x':
    case 'u':
    case 'U': break;
    default: fail("a backslash begins no escape");
  }
  uint32_t value = 0;
  for (int i = kind == 'x' ? 2 : kind == 'u' ? 4 : 8; i > 0; i--, position_++) {
    const char c = next();
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail("an escape has too few digits");
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

std::string_view GrammarParser::parse_name() {
  const size_t begin = position_;
  while (is_name(next())) position_++;
  if (position_ == begin) fail("a rule's name was expected");
  return std::string_view(source_).substr(begin, position_ - begin);
}

int GrammarParser::rule_named(std::string_view name) {
  const auto found = names_.find(name);
  if (found != names_.end()) return found->second;
  const int rule = new_rule();
  names_.emplace(std::string(name), rule);
  return rule;
}

int GrammarParser::new_rule() {
  if (static_cast<int>(rules.size()) >= kMaxRules) fail("it has too many rules");
  rules.emplace_back();
  return static_cast<int>(rules.size()) - 1;
}

int GrammarParser::terminal(GrammarRules::Terminal wanted) {
  terminals.push_back(std::move(wanted));
  return -1 - static_cast<int>(terminals.size());
}

// Sets of the same characters are the same terminal.
int GrammarParser::characters(Ranges ranges, bool inverted) {
  auto wanted = normal(std::move(ranges), inverted);
  const auto found = by_ranges_.find(wanted);
  if (found != by_ranges_.end()) return found->second;
  const int element = terminal({wanted});
  by_ranges_.emplace(std::move(wanted), element);
  return element;
}

void GrammarParser::add(Alternative& elements, int element) {
  if (++elements_ > kMaxElements) fail("it has too many elements, repetitions included");
  elements.push_back(element);
}

void GrammarParser::skip_space(bool newlines) {
  for (;; position_++) {
    const char c = next();
    if (c == '#') {
      while (!at_end() && next() != '\r' && next() != '\n') position_++;
      if (at_end()) return;
    }
    if (next() != ' ' && next() != '\t' && !(newlines && (next() == '\r' || next() == '\n'))) return;
  }
}

bool GrammarParser::take(std::string_view text) {
  if (source_.compare(position_, text.size(), text) != 0) return false;
  position_ += text.size();
  return true;
}

void GrammarParser::fail(const std::string& message) const {
  const auto line =
      1 + std::count(source_.begin(),
                     source_.begin() + static_cast<std::ptrdiff_t>(std::min(position_, source_.size())), '\n');
  throw Failure("INVALID_OPTION", "the grammar cannot be used: line " + std::to_string(line) + ": " + message);
}

}  // namespace streaming
