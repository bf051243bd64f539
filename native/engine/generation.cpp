#include "engine/generation.h"

#include <algorithm>
#include <utility>

namespace streaming {

Generation::Generation(std::shared_ptr<const Model> model, const jobs::Generate& job, int64_t seen,
                       std::function<bool()> should_continue)
    : model_(std::move(model)),
      visible_(job.visible),
      alternatives_(job.alternatives),
      constraint_(job.grammar.empty()
                      ? nullptr
                      : std::make_unique<Constraint>(model_, job.grammar, TriggerWatch(job.triggers, job.reasoning),
                                                     job.before, job.visible, std::move(should_continue))),
      sampler_(model_, job.sampling, seen),
      text_(job.stops) {}

bool Generation::is_eog(Token token) const {
  return model_->has_tokenizer() && llama().llama_vocab_is_eog(model_->vocab(), token);
}

std::string Generation::bytes_of(Token token) const {
  if (token == kNoToken || !model_->has_tokenizer() || is_eog(token)) return {};
  return model_->piece(token, std::find(visible_.begin(), visible_.end(), token) != visible_.end());
}

Generation::Output Generation::add(Token token, const std::string& bytes, const float* logits) {
  sampler_.accept(token);
  if (constraint_) constraint_->accept(token);
  if (alternatives_ >= 0) {
    pending_probabilities_.push_back(token_probability(logits, model_->vocab_size(), token, alternatives_));
    pending_probabilities_.back().end = bytes_;
  }
  return output(text_.append(bytes));
}

Generation::Output Generation::finish(bool ended) { return output(text_.finish(ended)); }

Generation::Output Generation::output(TextAssembler::Piece piece) {
  emitted_bytes_ += piece.bytes;
  Output output{std::move(piece.text), piece.bytes, {}};
  for (; !pending_probabilities_.empty() && pending_probabilities_.front().end <= emitted_bytes_;
       pending_probabilities_.pop_front())
    output.probabilities.push_back(std::move(pending_probabilities_.front()));
  return output;
}

}  // namespace streaming
