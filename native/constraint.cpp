#include "constraint.h"

#include <algorithm>
#include <cmath>

#include "failure.h"
#include "guarded.h"

namespace streaming {

Constraint::Constraint(std::shared_ptr<const Model> model, const std::string& grammar, std::vector<std::string> triggers)
    : model_(std::move(model)), triggers_(std::move(triggers)) {
  for (const auto& trigger : triggers_) longest_ = std::max(longest_, trigger.size());
  LlamaLibrary::take_errors();
  const auto thrown = guarded([&] { grammar_.reset(llama().llama_sampler_init_grammar(model_->vocab(), grammar.c_str(), "root")); });
  if (grammar_) return;
  const std::string reason = thrown && !thrown->empty() ? *thrown : LlamaLibrary::take_errors();
  throw Failure("INVALID_OPTION", "llama.cpp does not understand this grammar" + (reason.empty() ? "" : ": " + reason));
}

size_t Constraint::triggered(const std::string& text) const {
  size_t first = std::string::npos;
  for (const auto& trigger : triggers_) first = std::min(first, text.find(trigger));
  return first;
}

// Text goes through a grammar as the tokens that it happens to be cut into: what counts is their bytes. False: not allowed.
bool Constraint::feed(llama_sampler* grammar, const std::string& text) const {
  const auto tokens = model_->tokenize(text, false);
  const auto thrown = guarded([&] {
    for (const Token token : tokens) llama().llama_sampler_accept(grammar, token);
  });
  return !thrown;
}

bool Constraint::allows(Token token) const {
  if (active()) {
    llama_token_data one{token, 0.0f, 0.0f};
    llama_token_data_array array{&one, 1, -1, false};
    const auto thrown = guarded([&] { llama().llama_sampler_apply(grammar_.get(), &array); });
    return !thrown && std::isfinite(one.logit);
  }
  const std::string text = latest_ + model_->piece(token, true);
  const size_t begin = triggered(text);
  if (begin == std::string::npos) return true;
  const Grammar trial(llama().llama_sampler_clone(grammar_.get()));
  return feed(trial.get(), text.substr(begin));
}

bool Constraint::mask(std::vector<llama_token_data>& candidates) const {
  if (!active()) {
    for (auto& candidate : candidates) {
      if (!allows(candidate.id)) candidate.logit = -INFINITY;
    }
  } else {
    llama_token_data_array array{candidates.data(), candidates.size(), -1, false};
    const auto thrown = guarded([&] { llama().llama_sampler_apply(grammar_.get(), &array); });
    if (thrown) return false;
  }
  return std::any_of(candidates.begin(), candidates.end(), [](const auto& candidate) { return std::isfinite(candidate.logit); });
}

void Constraint::accept(Token token) {
  if (active()) {
    const auto thrown = guarded([&] { llama().llama_sampler_accept(grammar_.get(), token); });
    if (thrown) throw Failure("DECODE_FAILED", "llama.cpp's grammar failed: " + *thrown);
    return;
  }
  latest_ += model_->piece(token, true);
  const size_t begin = triggered(latest_);
  if (begin == std::string::npos) {
    if (latest_.size() >= longest_) latest_.erase(0, latest_.size() - (longest_ - 1));
    return;
  }
  if (!feed(grammar_.get(), latest_.substr(begin))) throw Failure("DECODE_FAILED", "llama.cpp's grammar does not begin with its trigger");
  triggers_.clear();
  latest_.clear();
}

}  // namespace streaming
