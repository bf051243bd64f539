#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache_policy.h"
#include "weights.h"

namespace streaming {

// A loaded model and its vocabulary. Immutable, so any thread may use it; shared by the JavaScript object and the
// engine, freed with the last of them.
class Model {
 public:
  // Throws as Weights::load.
  static std::shared_ptr<Model> load(const std::string& path, const Weights::LoadOptions& options, const Weights::Progress& progress);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const std::shared_ptr<Weights>& weights() const { return weights_; }
  llama_model* get() const { return weights_->get(); }
  const llama_vocab* vocab() const { return vocab_; }
  int vocab_size() const { return vocab_size_; }
  bool has_tokenizer() const { return has_tokenizer_; }

  // The token that begins every text, or -1 where the model wants none.
  Token beginning() const;
  // The token that ends every text that is whole, or -1 where the model wants none.
  Token ending() const;
  // `special`: texts of special tokens ("<|im_end|>") become these tokens; else they stay text.
  // Throws Failure TOKENIZE_FAILED for text that the vocabulary cannot express.
  std::vector<Token> tokenize(std::string_view text, bool special) const;
  // The bytes a token stands for, not always whole characters. `special`: control tokens show their names.
  std::string piece(Token token, bool special) const;
  std::string detokenize(const std::vector<Token>& tokens, bool special) const;
  // Throws Failure INVALID_OPTION naming the first token that the vocabulary does not have.
  void check_tokens(const Token* tokens, size_t count) const;

 private:
  explicit Model(std::shared_ptr<Weights> weights);
  void need_tokenizer() const;

  const std::shared_ptr<Weights> weights_;
  const llama_vocab* const vocab_;
  const int vocab_size_;
  const bool has_tokenizer_;
};

}  // namespace streaming
