#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llama/grammar_matcher.h"
#include "llama/model.h"

namespace streaming {

// Holds a reply to a grammar in llama.cpp's GBNF: from its start, or lazily from the first trigger on, with which the
// grammar then begins. Belongs to one generation, on the engine's thread.
//
// What a token may cost is bounded (grammar_budget.h). allows(), mask() and accept() throw Failure GRAMMAR_TOO_COMPLEX,
// or kInterrupted once `should_continue` returns false, and change nothing then.
class Constraint {
 public:
  // No triggers: from the start on. `visible`: control tokens that are text of the reply. Throws Failure INVALID_OPTION
  // for a grammar that cannot be used.
  Constraint(std::shared_ptr<const Model> model, const std::string& grammar, std::vector<std::string> triggers,
             std::vector<Token> visible, std::function<bool()> should_continue);

  // True: the grammar allows a token or rules it out. False: only a token that completes a trigger can be ruled out.
  bool active() const { return triggers_.empty(); }
  bool allows(Token token);
  // Gives what is not allowed a logit of minus infinity. False: nothing is left.
  bool mask(std::vector<llama_token_data>& candidates);
  // The token, which allows() has allowed, was chosen.
  void accept(Token token);

 private:
  using Point = GrammarMatcher::Point;
  // Where in the latest text with this one behind it a trigger begins; npos: nowhere.
  size_t triggered(const std::string& text) const;
  Point start();
  Point after(const Point& point, Token token);
  Point after_trigger(std::string_view text, size_t begin, size_t own, Token token);
  bool is_eog(Token token) const;
  void mask_by_grammar(std::vector<bool>& allowed);

  const std::shared_ptr<const Model> model_;
  const std::vector<Token> visible_;
  GrammarBudget budget_;
  GrammarMatcher matcher_;
  Point point_;  // where the reply is in the grammar, once that is active; not alive: at its start
  std::vector<std::string> triggers_;  // emptied by the first that comes
  size_t max_trigger_bytes_ = 0;       // of the triggers
  std::string latest_;                 // the end of the text so far that a trigger may have begun in
};

}  // namespace streaming
