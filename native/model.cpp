#include "model.h"

#include <climits>

#include "failure.h"
#include "guarded.h"

namespace streaming {

namespace {

Model::Facts facts_of(llama_model* model) {
  const auto& f = llama();
  char description[256];
  f.llama_model_desc(model, description, sizeof description);
  const char* chat_template = f.llama_model_chat_template(model, nullptr);
  return {description,
          chat_template ? chat_template : "",
          f.llama_model_n_params(model),
          f.llama_model_size(model),
          f.llama_model_n_layer(model),
          f.llama_model_n_ctx_train(model),
          f.llama_model_n_swa(model),
          f.llama_model_n_embd_out(model),
          f.llama_model_has_encoder(model),
          f.llama_model_has_decoder(model),
          f.llama_model_is_recurrent(model),
          f.llama_model_is_hybrid(model),
          f.llama_model_is_diffusion(model),
          f.llama_model_rope_type(model) != LLAMA_ROPE_TYPE_NONE};
}

}  // namespace

std::shared_ptr<Model> Model::load(const std::string& path, const Weights::LoadOptions& options, bool unloads, const Weights::Progress& progress) {
  auto weights = Weights::load(path, options, progress);
  auto vocabulary = weights;
  if (unloads) {
    Weights::LoadOptions alone;
    alone.vocabulary_alone = true;
    vocabulary = Weights::load(path, alone, [](float) { return true; });
  }
  return std::shared_ptr<Model>(new Model(path, options, std::move(weights), std::move(vocabulary)));
}

Model::Model(const std::string& path, const Weights::LoadOptions& options, std::shared_ptr<Weights> weights, std::shared_ptr<Weights> vocabulary)
    : options_(options),
      files_{file_at(path)},
      vocabulary_(std::move(vocabulary)),
      facts_(facts_of(weights->get())),
      kept_(std::move(weights)),
      weights_(kept_),
      vocab_(llama().llama_model_get_vocab(vocabulary_->get())),
      vocab_size_(llama().llama_vocab_n_tokens(vocab_)),
      has_tokenizer_(llama().llama_vocab_type(vocab_) != LLAMA_VOCAB_TYPE_NONE) {
  for (const auto& adapter : options.adapters) files_.push_back(file_at(adapter.path));
}

// Of a file that cannot be looked at, the same each time.
Model::File Model::file_at(const std::string& path) {
  std::error_code error;
  const std::filesystem::path file(std::u8string(path.begin(), path.end()));
  const auto bytes = std::filesystem::file_size(file, error);
  const auto changed = std::filesystem::last_write_time(file, error);
  return {path, error ? 0 : bytes, error ? std::filesystem::file_time_type() : changed};
}

std::shared_ptr<Weights> Model::weights(const Weights::Progress& progress) const {
  std::lock_guard loading(loading_);
  {
    std::lock_guard lock(mutex_);
    if (auto present = weights_.lock()) return present;
  }
  // Their headers were checked when they were loaded first; of other files llama.cpp might end the process.
  for (const auto& file : files_) {
    if (file_at(file.path) != file) throw Failure("MODEL_LOAD_FAILED", file.path + " is gone or has changed since it was loaded; close the model and load it anew");
  }
  auto loaded = Weights::load(files_.front().path, options_, progress);
  std::lock_guard lock(mutex_);
  weights_ = loaded;
  return loaded;
}

void Model::unload() {
  std::shared_ptr<Weights> last;  // freed without the mutex
  std::lock_guard lock(mutex_);
  last.swap(kept_);
}

bool Model::loaded() const {
  std::lock_guard lock(mutex_);
  return !weights_.expired();
}

Token Model::beginning() const {
  return has_tokenizer_ && llama().llama_vocab_get_add_bos(vocab_) ? llama().llama_vocab_bos(vocab_) : -1;
}

Token Model::ending() const {
  return has_tokenizer_ && llama().llama_vocab_get_add_eos(vocab_) ? llama().llama_vocab_eos(vocab_) : -1;
}

void Model::need_tokenizer() const {
  if (!has_tokenizer_) throw Failure("TOKENIZE_FAILED", "this model's file has no tokenizer; pass tokens instead of text");
}

std::vector<Token> Model::tokenize(std::string_view text, bool special) const {
  need_tokenizer();
  if (text.size() > INT_MAX / 2) throw Failure("TOKENIZE_FAILED", "text of " + std::to_string(text.size()) + " bytes is too long to be tokenized at once");
  std::vector<Token> tokens(text.size() + 8);
  int count = 0;
  // add_special stays false: llama.cpp asserts on models that want a beginning token but name none.
  const auto thrown = guarded([&] {
    count = llama().llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(), static_cast<int32_t>(tokens.size()), false, special);
    if (count < 0 && count != INT_MIN) {
      tokens.resize(static_cast<size_t>(-count));
      count = llama().llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(), static_cast<int32_t>(tokens.size()), false, special);
    }
  });
  if (thrown || count < 0) {
    throw Failure("TOKENIZE_FAILED", "the model's vocabulary cannot express this text" + (thrown && !thrown->empty() ? " (llama.cpp: " + *thrown + ")" : std::string()) +
                                         "; leave out the characters it lacks, or use another model");
  }
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

std::string Model::piece(Token token, bool special) const {
  need_tokenizer();
  check_tokens(&token, 1);
  std::string bytes(64, '\0');
  int length = 0;
  const auto thrown = guarded([&] {
    length = llama().llama_token_to_piece(vocab_, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0, special);
    if (length < 0) {
      bytes.resize(static_cast<size_t>(-length));
      length = llama().llama_token_to_piece(vocab_, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0, special);
    }
  });
  if (thrown || length < 0) throw Failure("TOKENIZE_FAILED", "llama.cpp has no text for token " + std::to_string(token));
  bytes.resize(static_cast<size_t>(length));
  return bytes;
}

std::string Model::detokenize(const std::vector<Token>& tokens, bool special) const {
  need_tokenizer();
  check_tokens(tokens.data(), tokens.size());
  std::string text(tokens.size() * 8 + 16, '\0');
  int length = 0;
  const auto thrown = guarded([&] {
    const auto count = static_cast<int32_t>(tokens.size());
    length = llama().llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<int32_t>(text.size()), false, special);
    if (length < 0) {
      text.resize(static_cast<size_t>(-length));
      length = llama().llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<int32_t>(text.size()), false, special);
    }
  });
  if (thrown || length < 0) throw Failure("TOKENIZE_FAILED", "llama.cpp cannot turn these tokens into text");
  text.resize(static_cast<size_t>(length));
  return text;
}

void Model::check_tokens(const Token* tokens, size_t count) const {
  for (size_t i = 0; i < count; i++) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size_) {
      throw Failure("INVALID_OPTION", "token " + std::to_string(tokens[i]) + " (at index " + std::to_string(i) + ") is not in the vocabulary of " +
                                          std::to_string(vocab_size_) + " tokens");
    }
  }
}

}  // namespace streaming
