#include "llama/grammar_matcher.h"

#include <algorithm>

namespace streaming {
namespace {

// Behind the whole text.
constexpr int kOutside = INT32_MAX;
// Some hundred megabytes.
constexpr size_t kMaxEntries = 8'000'000;

uint64_t hash_of(const std::vector<uint64_t>& values) {
  uint64_t hash = 0x9E3779B97F4A7C15ull ^ values.size();
  for (uint64_t value : values) {
    value *= 0xBF58476D1CE4E5B9ull;
    hash = (hash ^ value ^ (value >> 29)) * 0x94D049BB133111EBull;
    hash ^= hash >> 31;
  }
  return hash;
}

}  // namespace

GrammarMatcher::Point GrammarMatcher::start(GrammarBudget& budget) {
  if (start_ == kNone) {
    const int outside = node({item(kOutside, 0)}, budget);
    std::vector<std::pair<int, int>> open;
    for (const int position : rules_->alternatives(rules_->root())) open.emplace_back(position, outside);
    start_ = closure(std::move(open), budget);
  }
  return {.state = start_};
}

GrammarMatcher::Point GrammarMatcher::after(const Point& point, uint8_t byte, GrammarBudget& budget) {
  // A NUL would end the text for llama.cpp, and for people.
  if (!point.alive() || byte == 0) return {};
  Point next = point;
  if (point.missing == 0) {
    if (byte < 0x80) return {.state = after_character(point.state, byte, budget)};
    if (byte < 0xC2 || byte > 0xF4) return {};
    next.missing = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    next.value = byte & (0x3Fu >> next.missing);
    next.min_value = next.missing == 1 ? 0x80 : next.missing == 2 ? 0x800 : 0x10000;
  } else {
    if ((byte & 0xC0) != 0x80) return {};
    next.value = (point.value << 6) | (byte & 0x3Fu);
    next.missing--;
  }
  const int bits = 6 * next.missing;
  const uint32_t from = std::max(next.value << bits, next.min_value),
                 to = std::min((next.value << bits) | ((1u << bits) - 1), 0x10FFFFu);
  if (from > to) return {};
  if (next.missing == 0) return {.state = after_character(point.state, next.value, budget)};
  return may_follow(point.state, from, to, budget) ? next : Point();
}

GrammarMatcher::Point GrammarMatcher::after(Point point, std::string_view bytes, GrammarBudget& budget) {
  for (const char byte : bytes) {
    point = after(point, static_cast<uint8_t>(byte), budget);
    if (!point.alive()) break;
  }
  return point;
}

GrammarMatcher::Point GrammarMatcher::after_token(const Point& point, Token token, GrammarBudget& budget) {
  if (!point.alive() || point.missing > 0 || !rules_->has_tokens()) return {};
  const auto& groups = states_[static_cast<size_t>(point.state)].groups;
  std::vector<int> matched;
  budget.spend(static_cast<int64_t>(groups.size()));
  for (size_t i = 0; i < groups.size(); i++) {
    if (rules_->terminal(groups[i].terminal).matches_token(token)) matched.push_back(static_cast<int>(i));
  }
  return {.state = state_behind(point.state, matched, budget)};
}

GrammarMatcher::Point GrammarMatcher::either(const Point& a, const Point& b, GrammarBudget& budget) {
  if (!a.alive() || !b.alive()) return a.alive() ? a : b;
  // A token that leaves a character incomplete is in no position where tokens count.
  if (a.missing > 0 || b.missing > 0) return a.missing > 0 ? a : b;
  const auto &one = states_[static_cast<size_t>(a.state)], &other = states_[static_cast<size_t>(b.state)];
  Items items = one.items;
  items.insert(items.end(), other.items.begin(), other.items.end());
  return {.state = state(std::move(items), one.complete || other.complete, budget)};
}

bool GrammarMatcher::complete(const Point& point) const {
  return point.alive() && point.missing == 0 && states_[static_cast<size_t>(point.state)].complete;
}

std::vector<const GrammarRules::Terminal*> GrammarMatcher::tokens(const Point& point) const {
  std::vector<const GrammarRules::Terminal*> found;
  if (!point.alive() || point.missing > 0 || !rules_->has_tokens()) return found;
  for (const auto& group : states_[static_cast<size_t>(point.state)].groups) {
    const auto& terminal = rules_->terminal(group.terminal);
    if (terminal.is_token) found.push_back(&terminal);
  }
  return found;
}

int GrammarMatcher::after_character(int from, uint32_t character, GrammarBudget& budget) {
  const auto& state = states_[static_cast<size_t>(from)];
  if (const auto known = state.by_character.find(character); known != state.by_character.end()) return known->second;
  std::vector<int> matched;
  const auto single = std::lower_bound(state.characters.begin(), state.characters.end(), std::pair(character, 0));
  if (single != state.characters.end() && single->first == character) matched.push_back(single->second);
  budget.spend(static_cast<int64_t>(state.sets.size()) + 1);
  for (const int group : state.sets) {
    if (rules_->terminal(state.groups[static_cast<size_t>(group)].terminal).matches(character))
      matched.push_back(group);
  }
  const int next = state_behind(from, matched, budget);
  states_[static_cast<size_t>(from)].by_character.emplace(character, next);
  grow(1);
  return next;
}

bool GrammarMatcher::may_follow(int from, uint32_t min_value, uint32_t max_value, GrammarBudget& budget) const {
  const auto& state = states_[static_cast<size_t>(from)];
  const auto single = std::lower_bound(state.characters.begin(), state.characters.end(), std::pair(min_value, 0));
  if (single != state.characters.end() && single->first <= max_value) return true;
  budget.spend(static_cast<int64_t>(state.sets.size()) + 1);
  return std::any_of(state.sets.begin(), state.sets.end(), [&](int group) {
    return rules_->terminal(state.groups[static_cast<size_t>(group)].terminal).intersects(min_value, max_value);
  });
}

int GrammarMatcher::state_behind(int from, std::span<const int> groups, GrammarBudget& budget) {
  if (groups.empty()) return kNone;
  std::vector<int> key(groups.begin(), groups.end());
  const auto& state = states_[static_cast<size_t>(from)];
  if (const auto known = state.by_groups.find(key); known != state.by_groups.end()) return known->second;
  std::vector<std::pair<int, int>> open;
  for (const int index : groups) {
    const auto& group = state.groups[static_cast<size_t>(index)];
    for (uint32_t i = group.begin; i < group.end; i++)
      open.emplace_back(position_of(state.items[i]) + 1, node_of(state.items[i]));
  }
  const int next = closure(std::move(open), budget);
  grow(key.size());
  states_[static_cast<size_t>(from)].by_groups.emplace(std::move(key), next);
  return next;
}

// All items that these lead to without a character. In `open` and below, a node that is being made is ~ its component.
int GrammarMatcher::closure(std::vector<std::pair<int, int>> open, GrammarBudget& budget) {
  // Emptying a table takes as long as it once was large.
  if (seen_.bucket_count() > 10'000) seen_ = {}, entered_ = {}, making_ = {};
  seen_.clear(), entered_.clear(), making_.clear();
  std::vector<std::pair<int, int>> found;
  bool complete = false;
  while (!open.empty()) {
    const auto [position, node] = open.back();
    open.pop_back();
    if (!seen_.insert(item(position, node)).second) continue;
    budget.spend(1);
    if (position == kOutside) {
      complete = true;
      continue;
    }
    const int element = rules_->at(position);
    if (element == GrammarRules::kEnd) {
      // A rule that ends where it was called was empty, which has been seen to below.
      if (node < 0 || !entered_.insert(item(GrammarRules::kEnd, node)).second) continue;
      for (const Item caller : nodes_[static_cast<size_t>(node)])
        open.emplace_back(position_of(caller), node_of(caller));
    } else if (!GrammarRules::is_rule(element)) {
      if (rules_->terminal(GrammarRules::terminal_of(element)).matches_any()) found.emplace_back(position, node);
    } else {
      if (rules_->may_be_empty(element)) open.emplace_back(position + 1, node);
      const int component = rules_->component(element);
      auto& making = making_[component];
      // Where nothing follows, it goes on where the calling rule does: so what repeats does not pile up.
      if (rules_->at(position + 1) != GrammarRules::kEnd) making.callers.emplace_back(position + 1, node);
      else if (node != ~component) making.inherited.push_back(node);
      if (!entered_.insert(item(element, -1)).second) continue;
      for (const int start : rules_->alternatives(element)) open.emplace_back(start, ~component);
    }
  }
  // Those that call come before those that are called.
  std::vector<int> components;
  for (const auto& [component, making] : making_) components.push_back(component);
  std::sort(components.begin(), components.end(), std::greater<>());
  std::unordered_map<int, int> made;
  const auto number = [&](int node) { return node >= 0 ? node : made.at(~node); };
  for (const int component : components) {
    const auto& making = making_.at(component);
    Items items;
    std::vector<int> inherited;
    for (const int node : making.inherited) inherited.push_back(number(node));
    std::sort(inherited.begin(), inherited.end());
    inherited.erase(std::unique(inherited.begin(), inherited.end()), inherited.end());
    if (making.callers.empty() && inherited.size() == 1) {
      made[component] = inherited.front();
      continue;
    }
    for (const auto& [position, node] : making.callers) items.push_back(item(position, number(node)));
    for (const int node : inherited) {
      const auto& theirs = nodes_[static_cast<size_t>(node)];
      budget.spend(static_cast<int64_t>(theirs.size()));
      items.insert(items.end(), theirs.begin(), theirs.end());
    }
    made[component] = this->node(std::move(items), budget);
  }
  Items items;
  for (const auto& [position, node] : found) items.push_back(item(position, number(node)));
  return state(std::move(items), complete, budget);
}

int GrammarMatcher::node(Items items, GrammarBudget& budget) {
  budget.spend(static_cast<int64_t>(items.size()));
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  const auto hash = hash_of(items);
  for (auto [at, end] = node_numbers_.equal_range(hash); at != end; ++at) {
    if (nodes_[static_cast<size_t>(at->second)] == items) return at->second;
  }
  grow(items.size() + 1);
  nodes_.push_back(std::move(items));
  const int number = static_cast<int>(nodes_.size()) - 1;
  node_numbers_.emplace(hash, number);
  return number;
}

int GrammarMatcher::state(Items items, bool complete, GrammarBudget& budget) {
  budget.spend(static_cast<int64_t>(items.size()));
  if (items.empty() && !complete) return kNone;
  const auto terminal = [&](Item item) { return GrammarRules::terminal_of(rules_->at(position_of(item))); };
  std::sort(items.begin(), items.end(),
            [&](Item a, Item b) { return std::pair(terminal(a), a) < std::pair(terminal(b), b); });
  items.erase(std::unique(items.begin(), items.end()), items.end());
  const auto hash = hash_of(items) ^ (complete ? 1 : 0);
  for (auto [at, end] = state_numbers_.equal_range(hash); at != end; ++at) {
    const auto& known = states_[static_cast<size_t>(at->second)];
    if (known.complete == complete && known.items == items) return at->second;
  }
  grow(2 * items.size() + 8);
  State made{std::move(items), complete, {}, {}, {}, {}, {}};
  for (uint32_t i = 0; i < made.items.size(); i++) {
    const int its = terminal(made.items[i]);
    if (made.groups.empty() || made.groups.back().terminal != its) made.groups.push_back({its, i, i});
    made.groups.back().end = i + 1;
  }
  for (size_t i = 0; i < made.groups.size(); i++) {
    const auto& one = rules_->terminal(made.groups[i].terminal);
    if (one.is_token) continue;
    const auto& ranges = one.ranges;
    if (ranges.size() == 1 && ranges.front().first == ranges.front().second)
      made.characters.emplace_back(ranges.front().first, static_cast<int>(i));
    else made.sets.push_back(static_cast<int>(i));
  }
  std::sort(made.characters.begin(), made.characters.end());
  states_.push_back(std::move(made));
  const int number = static_cast<int>(states_.size()) - 1;
  state_numbers_.emplace(hash, number);
  return number;
}

GrammarMatcher::Point GrammarMatcher::collect_garbage(const Point& point) {
  if (size_ < collect_at_ || !point.alive()) return point;
  // A node's items have nodes of lower numbers.
  const Items items = states_[static_cast<size_t>(point.state)].items;
  const bool complete = states_[static_cast<size_t>(point.state)].complete;
  std::vector<bool> needed(nodes_.size(), false);
  for (const Item one : items) needed[static_cast<size_t>(node_of(one))] = true;
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (const Item one : nodes_[i]) needed[static_cast<size_t>(node_of(one))] = true;
  }
  std::vector<Items> kept;
  std::vector<int> numbers(nodes_.size(), kNone);
  const auto moved = [&](Items old) {
    for (auto& one : old) one = item(position_of(one), numbers[static_cast<size_t>(node_of(one))]);
    return old;
  };
  for (size_t i = 0; i < nodes_.size(); i++) {
    if (!needed[i]) continue;
    numbers[i] = static_cast<int>(kept.size());
    kept.push_back(moved(std::move(nodes_[i])));
  }
  forget();
  GrammarBudget free(nullptr, INT64_MAX);
  for (auto& each : kept) node(std::move(each), free);
  Point now = point;
  now.state = state(moved(items), complete, free);
  collect_at_ = std::max<size_t>(200'000, 2 * size_);
  return now;
}

void GrammarMatcher::forget() {
  nodes_.clear(), states_.clear(), node_numbers_.clear(), state_numbers_.clear();
  start_ = kNone;
  size_ = 0;
}

void GrammarMatcher::grow(size_t entries) {
  size_ += entries;
  if (size_ > kMaxEntries) {
    throw Failure("GRAMMAR_TOO_COMPLEX",
                  "the grammar leaves more ways open for the text so far than there is memory for; let its rules tell "
                  "alternatives apart earlier");
  }
}

}  // namespace streaming
