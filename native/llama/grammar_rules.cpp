#include "llama/grammar_rules.h"

#include <algorithm>

#include "llama/grammar_parser.h"
#include "support/failure.h"

namespace streaming {

bool GrammarRules::Terminal::intersects(uint32_t from, uint32_t to) const {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), to,
                                      [](uint32_t value, const auto& range) { return value < range.first; });
  return after != ranges.begin() && std::prev(after)->second >= from;
}

GrammarRules::GrammarRules(const std::string& source, const TokenOf& token_of) {
  GrammarParser parser(source, token_of);
  root_ = parser.root;
  terminals_ = std::move(parser.terminals);
  has_tokens_ =
      std::any_of(terminals_.begin(), terminals_.end(), [](const Terminal& terminal) { return terminal.is_token; });
  for (auto& rule : parser.rules) {
    auto& starts = starts_.emplace_back();
    // The same alternative twice is one.
    std::sort(rule.alternatives.begin(), rule.alternatives.end());
    rule.alternatives.erase(std::unique(rule.alternatives.begin(), rule.alternatives.end()), rule.alternatives.end());
    for (const auto& alternative : rule.alternatives) {
      starts.push_back(static_cast<int>(elements_.size()));
      elements_.insert(elements_.end(), alternative.begin(), alternative.end());
      elements_.push_back(kEnd);
    }
  }
  find_empty();
  find_components();
}

// A rule may be empty if all rules of one alternative may be. Each rule found so counts down the alternatives that wait
// for it.
void GrammarRules::find_empty() {
  struct Waiting {
    int rule, missing;
  };
  std::vector<Waiting> alternatives;
  std::vector<std::vector<size_t>> waiting(starts_.size());
  std::vector<int> found;
  empty_.assign(starts_.size(), false);
  const auto find = [&](int rule) {
    if (empty_[static_cast<size_t>(rule)]) return;
    empty_[static_cast<size_t>(rule)] = true;
    found.push_back(rule);
  };
  for (size_t rule = 0; rule < starts_.size(); rule++) {
    for (const int start : starts_[rule]) {
      int end = start;
      while (is_rule(at(end))) end++;
      if (at(end) != kEnd) continue;
      for (int i = start; i < end; i++) waiting[static_cast<size_t>(at(i))].push_back(alternatives.size());
      alternatives.push_back({static_cast<int>(rule), end - start});
      if (end == start) find(static_cast<int>(rule));
    }
  }
  while (!found.empty()) {
    const int rule = found.back();
    found.pop_back();
    for (const size_t index : waiting[static_cast<size_t>(rule)]) {
      if (--alternatives[index].missing == 0) find(alternatives[index].rule);
    }
  }
}

// Tarjan's algorithm without recursion, over which rules begin with which. A rule that begins with itself and has
// something behind that is refused: matching it would never end.
void GrammarRules::find_components() {
  struct Beginning {
    int rule;
    bool last;  // nothing follows it
  };
  const size_t count = starts_.size();
  std::vector<std::vector<Beginning>> begins(count);
  for (size_t rule = 0; rule < count; rule++) {
    for (const int start : starts_[rule]) {
      for (int i = start; is_rule(at(i)); i++) {
        begins[rule].push_back({at(i), at(i + 1) == kEnd});
        if (!may_be_empty(at(i))) break;
      }
    }
  }
  std::vector<int> order(count, -1), lowest(count, 0);
  component_.assign(count, -1);
  struct Step {
    int rule;
    size_t next;
  };
  std::vector<Step> path;
  std::vector<int> pending;
  int entered = 0;
  const auto enter = [&](int rule) {
    order[static_cast<size_t>(rule)] = lowest[static_cast<size_t>(rule)] = entered++;
    pending.push_back(rule);
    path.push_back({rule, 0});
  };
  for (size_t first = 0; first < count; first++) {
    if (order[first] >= 0) continue;
    enter(static_cast<int>(first));
    while (!path.empty()) {
      const auto rule = static_cast<size_t>(path.back().rule);
      if (path.back().next < begins[rule].size()) {
        const int target = begins[rule][path.back().next++].rule;
        if (order[static_cast<size_t>(target)] < 0) enter(target);
        else if (component_[static_cast<size_t>(target)] < 0)
          lowest[rule] = std::min(lowest[rule], order[static_cast<size_t>(target)]);
        continue;
      }
      path.pop_back();
      if (!path.empty()) {
        auto& parent = lowest[static_cast<size_t>(path.back().rule)];
        parent = std::min(parent, lowest[rule]);
      }
      if (lowest[rule] != order[rule]) continue;
      for (int member = -1; member != static_cast<int>(rule);) {
        member = pending.back();
        pending.pop_back();
        component_[static_cast<size_t>(member)] = components_;
      }
      components_++;
    }
  }
  for (size_t rule = 0; rule < count; rule++) {
    for (const auto& beginning : begins[rule]) {
      if (!beginning.last && component_[static_cast<size_t>(beginning.rule)] == component_[rule]) {
        throw Failure("INVALID_OPTION",
                      "the grammar cannot be used: left recursion: a rule can begin with itself, or repeats without "
                      "limit what may be empty");
      }
    }
  }
}

}  // namespace streaming
