#include "llama/grammar_triggers.h"

#include <memory>

#include "llama/grammar_matcher.h"

namespace streaming {
namespace {

bool may_begin_with(GrammarMatcher& matcher, const std::string& text, GrammarBudget& budget) {
  auto point = matcher.start(budget);
  for (const char byte : text) {
    if (!matcher.tokens(point).empty()) return true;
    point = matcher.after(point, static_cast<uint8_t>(byte), budget);
    if (!point.alive()) return false;
  }
  return point.alive();
}

}  // namespace

std::optional<size_t> impossible_trigger(const std::string& grammar, const std::vector<std::string>& triggers,
                                         int64_t max_steps) {
  try {
    // Which token a name means does not matter here.
    const auto any = [](const std::string&) { return std::optional<Token>(0); };
    GrammarMatcher matcher(std::make_shared<const GrammarRules>(grammar, any));
    for (size_t i = 0; i < triggers.size(); i++) {
      GrammarBudget budget(nullptr, max_steps);
      try {
        if (!may_begin_with(matcher, triggers[i], budget)) return i;
      } catch (const Failure&) {
        // Takes too much work, so it is not known.
      }
    }
  } catch (const Failure&) {
    // The reply that starts with this grammar says why it cannot be read.
  }
  return std::nullopt;
}

}  // namespace streaming
