#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "llama/grammar_budget.h"
#include "llama/grammar_rules.h"

namespace streaming {

// Where a text may be in a grammar: an automaton that is built while it is used.
//
// An item is a terminal that may come next and a node. A node is the set of items behind the calls of the terminal's
// rule; each has a node of its own in turn. This is a graph-structured stack: ways that differ only in their past are
// one, and what they have in common is processed once, where a list of stacks would have an entry for each. A state is
// the set of all items, and equal states are the same object: a character leads from each state to one other, which is
// remembered.
//
// One thread at a time. Every function may throw what GrammarBudget does, and leaves the matcher usable.
class GrammarMatcher {
 public:
  // Within a text: a state, and the bytes of a character that is not whole yet.
  struct Point {
    int state = kNone;
    uint32_t value = 0;      // of the bytes so far
    uint32_t min_value = 0;  // that a character of so many bytes may have
    int missing = 0;         // bytes
    bool alive() const { return state != kNone; }
  };
  static constexpr int kNone = -1;

  explicit GrammarMatcher(std::shared_ptr<const GrammarRules> rules) : rules_(std::move(rules)) {}

  Point start(GrammarBudget& budget);
  // Not alive: no text of the grammar goes on like this.
  Point after(const Point& point, uint8_t byte, GrammarBudget& budget);
  Point after(Point point, std::string_view bytes, GrammarBudget& budget);
  // By elements that are tokens.
  Point after_token(const Point& point, Token token, GrammarBudget& budget);
  // A text of the grammar, by either way.
  Point either(const Point& a, const Point& b, GrammarBudget& budget);
  // Whether the text may end here.
  bool complete(const Point& point) const;
  // The terminals that may come next and are tokens.
  std::vector<const GrammarRules::Terminal*> tokens(const Point& point) const;
  const GrammarRules& rules() const { return *rules_; }
  // Forgets what the point does not need, once there is much of it. Other points are invalid afterwards.
  Point collect_garbage(const Point& point);

 private:
  // A position in the rules above, the number of a node below.
  using Item = uint64_t;
  using Items = std::vector<Item>;
  struct Group {  // of a state's places: those with the same terminal
    int terminal;
    uint32_t begin, end;
  };
  struct State {
    Items items;  // in the order of their terminals
    bool complete;
    std::vector<Group> groups;
    std::vector<std::pair<uint32_t, int>> characters;  // the groups of terminals that are single characters, ascending
    std::vector<int> sets;                             // the groups of all other terminals
    std::unordered_map<uint32_t, int> by_character;
    std::map<std::vector<int>, int> by_groups;
  };
  // The node of the rules of a component that are called at the present character.
  struct Making {
    std::vector<std::pair<int, int>> callers;  // where to go on, and its node or ~component
    std::vector<int> inherited;                // nodes, or ~components
  };

  static Item item(int position, int node) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(position)) << 32) | static_cast<uint32_t>(node);
  }
  static int position_of(Item item) { return static_cast<int>(item >> 32); }
  static int node_of(Item item) { return static_cast<int>(item & 0xFFFFFFFF); }

  int after_character(int state, uint32_t character, GrammarBudget& budget);
  bool may_follow(int state, uint32_t from, uint32_t to, GrammarBudget& budget) const;
  int state_behind(int state, std::span<const int> groups, GrammarBudget& budget);
  int closure(std::vector<std::pair<int, int>> open, GrammarBudget& budget);
  int node(Items items, GrammarBudget& budget);
  int state(Items items, bool complete, GrammarBudget& budget);
  void forget();
  void grow(size_t entries);

  const std::shared_ptr<const GrammarRules> rules_;
  std::vector<Items> nodes_;
  std::vector<State> states_;
  std::unordered_multimap<uint64_t, int> node_numbers_, state_numbers_;  // by the hash of what they hold
  int start_ = kNone;
  size_t size_ = 0;  // entries of all these
  size_t collect_at_ = 200'000;

  // Of the closure in progress.
  std::unordered_set<uint64_t> seen_, entered_;
  std::unordered_map<int, Making> making_;
};

}  // namespace streaming
