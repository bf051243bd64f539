#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llama/grammar_matcher.h"
#include "llama/model.h"
#include "llama/trigger_watch.h"

namespace streaming {

// Holds a reply to a grammar in llama.cpp's GBNF: from its start, or lazily from the first trigger on, with which the
// grammar then begins. Belongs to one generation, on the engine's thread.
//
// What a token may cost is bounded (grammar_budget.h). allows(), mask() and accept() throw Failure GRAMMAR_TOO_COMPLEX,
// or kInterrupted once `should_continue` returns false, and change nothing then.
class Constraint {
 public:
  // No triggers in the watch: from the start on. `before`: what the reply begins with already, as far as reasoning
  // goes. `visible`: control tokens that are text of the reply. Throws Failure INVALID_OPTION for a grammar that cannot
  // be used.
  Constraint(std::shared_ptr<const Model> model, const std::string& grammar, TriggerWatch triggers,
             const std::string& before, std::vector<Token> visible, std::function<bool()> should_continue);

  // True: the grammar allows a token or rules it out. False: only a token that completes a trigger can be ruled out.
  bool active() const { return triggers_.empty(); }
  bool allows(Token token);
  // Gives what is not allowed a logit of minus infinity. False: nothing is left.
  bool mask(std::vector<llama_token_data>& candidates);
  // The token, which allows() has allowed, was chosen.
  void accept(Token token);

 private:
  using Point = GrammarMatcher::Point;
  Point start();
  Point after(const Point& point, Token token);
  Point after_trigger(const std::string& text, size_t begin, const std::string& own, Token token);
  bool is_eog(Token token) const;
  void mask_by_grammar(std::vector<bool>& allowed);

  const std::shared_ptr<const Model> model_;
  const std::vector<Token> visible_;
  GrammarBudget budget_;
  GrammarMatcher matcher_;
  Point point_;            // where the reply is in the grammar, once that is active; not alive: at its start
  TriggerWatch triggers_;  // emptied by the first that comes
  TriggerWatch::Reply reply_;
};

}  // namespace streaming
