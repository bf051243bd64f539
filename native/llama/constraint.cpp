#include "llama/constraint.h"

#include <algorithm>
#include <cmath>

#include "support/failure.h"

namespace streaming {
namespace {

std::shared_ptr<const GrammarRules> read(const Model& model, const std::string& grammar) {
  return std::make_shared<const GrammarRules>(grammar, [&](const std::string& text) -> std::optional<Token> {
    try {
      const auto tokens = model.tokenize(text, true);
      if (tokens.size() == 1) return tokens.front();
    } catch (const Failure&) {
      // The vocabulary has no such text.
    }
    return std::nullopt;
  });
}

}  // namespace

Constraint::Constraint(std::shared_ptr<const Model> model, const std::string& grammar, TriggerWatch triggers,
                       const std::string& before, std::vector<Token> visible, std::function<bool()> should_continue)
    : model_(std::move(model)),
      visible_(std::move(visible)),
      budget_(std::move(should_continue)),
      matcher_(read(*model_, grammar)),
      triggers_(std::move(triggers)) {
  triggers_.pass(reply_, before);
}

bool Constraint::is_eog(Token token) const { return llama().llama_vocab_is_eog(model_->vocab(), token); }

// Made when it is first needed, so that its work counts for a token.
Constraint::Point Constraint::start() {
  if (!point_.alive()) point_ = matcher_.start(budget_);
  return point_;
}

Constraint::Point Constraint::after(const Point& point, Token token) {
  const auto by_token = matcher_.after_token(point, token, budget_);
  // What does not show in the reply is no text of it.
  const auto text = model_->piece(token, std::find(visible_.begin(), visible_.end(), token) != visible_.end());
  return text.empty() ? by_token : matcher_.either(by_token, matcher_.after(point, text, budget_), budget_);
}

// The trigger begins at `begin` of the text, whose last bytes, `own`, are the token's. What counts of tokens before
// that one are their bytes.
Constraint::Point Constraint::after_trigger(const std::string& text, size_t begin, const std::string& own,
                                            Token token) {
  const auto first = matcher_.start(budget_);
  const auto by_bytes = matcher_.after(first, std::string_view(text).substr(begin), budget_);
  return text.size() - begin == own.size()
             ? matcher_.either(matcher_.after_token(first, token, budget_), by_bytes, budget_)
             : by_bytes;
}

bool Constraint::allows(Token token) {
  if (active()) {
    const auto point = start();
    return is_eog(token) ? matcher_.complete(point) : after(point, token).alive();
  }
  const std::string own = model_->piece(token, true);
  auto reply = reply_;
  const size_t begin = triggers_.read(reply, own);
  return begin == TriggerWatch::kNone || after_trigger(reply.latest, begin, own, token).alive();
}

bool Constraint::mask(std::vector<llama_token_data>& candidates) {
  std::vector<bool> allowed(static_cast<size_t>(model_->vocab_size()), false);
  if (active()) {
    mask_by_grammar(allowed);
  } else {
    for (const auto& candidate : candidates) {
      budget_.spend(1);
      allowed[static_cast<size_t>(candidate.id)] = allows(candidate.id);
    }
  }
  bool any = false;
  for (auto& candidate : candidates) {
    if (!allowed[static_cast<size_t>(candidate.id)]) candidate.logit = -INFINITY;
    any = any || std::isfinite(candidate.logit);
  }
  return any;
}

// Through the texts of all tokens in the order of their bytes: where one cannot go on, those that begin with the same
// bytes cannot either.
void Constraint::mask_by_grammar(std::vector<bool>& allowed) {
  const auto first = start();
  const auto& texts = model_->texts();
  std::vector<Point> path{first};  // behind each byte of the text before
  for (const auto& entry : texts.entries()) {
    budget_.spend(1);
    if (path.size() <= entry.shared) continue;
    path.resize(entry.shared + 1);
    for (const char byte : texts.text(entry).substr(entry.shared)) {
      const auto next = matcher_.after(path.back(), static_cast<uint8_t>(byte), budget_);
      if (!next.alive()) break;
      path.push_back(next);
    }
    if (path.size() <= entry.length) continue;
    allowed[static_cast<size_t>(entry.token)] =
        !entry.hidden || std::find(visible_.begin(), visible_.end(), entry.token) != visible_.end();
  }
  for (const auto* terminal : matcher_.tokens(first)) {
    budget_.spend(1);
    if (!terminal->inverted) {
      if (static_cast<size_t>(terminal->token) < allowed.size()) allowed[static_cast<size_t>(terminal->token)] = true;
      continue;
    }
    for (size_t token = 0; token < allowed.size(); token++)
      allowed[token] = allowed[token] || static_cast<Token>(token) != terminal->token;
  }
  for (const Token token : model_->eog_tokens()) allowed[static_cast<size_t>(token)] = matcher_.complete(first);
}

void Constraint::accept(Token token) {
  if (active()) {
    const auto next = after(start(), token);
    if (!next.alive()) throw Failure("DECODE_FAILED", "the grammar does not allow the token that was chosen");
    point_ = matcher_.collect_garbage(next);
  } else {
    const std::string own = model_->piece(token, true);
    auto reply = reply_;
    const size_t begin = triggers_.read(reply, own);
    if (begin != TriggerWatch::kNone) {
      point_ = after_trigger(reply.latest, begin, own, token);
      if (!point_.alive()) throw Failure("DECODE_FAILED", "the grammar does not begin with its trigger");
      triggers_.clear();
    } else {
      reply_ = std::move(reply);
    }
  }
  budget_.next_token();
}

}  // namespace streaming
