#include "llama/model.h"

#include <cstdlib>

#include "llama/catch_exceptions.h"
#include "support/failure.h"

namespace streaming {

namespace {

// The beginning of a value in words; empty where there is none.
std::string metadata(llama_model* model, const std::string& key) {
  char value[128];
  return llama().llama_model_meta_val_str(model, key.c_str(), value, sizeof value) < 0 ? "" : value;
}

Model::Info info_of(llama_model* model) {
  const auto& f = llama();
  char description[256];
  f.llama_model_desc(model, description, sizeof description);
  const auto rope = f.llama_model_rope_type(model);
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
          rope != LLAMA_ROPE_TYPE_NONE,
          rope == LLAMA_ROPE_TYPE_MROPE || rope == LLAMA_ROPE_TYPE_IMROPE,
          metadata(model, metadata(model, "general.architecture") + ".attention.key_length_mla").empty()};
}

}  // namespace

std::shared_ptr<Model> Model::load(const std::string& path, const Weights::LoadOptions& options, bool unloads,
                                   const Weights::Progress& progress) {
  auto weights = Weights::load(path, options, progress);
  auto vocabulary = weights;
  if (unloads) {
    Weights::LoadOptions alone;
    alone.vocab_only = true;
    vocabulary = Weights::load(path, alone, [](float) { return true; });
  }
  return std::shared_ptr<Model>(new Model(path, options, std::move(weights), std::move(vocabulary)));
}

Model::Model(const std::string& path, const Weights::LoadOptions& options, std::shared_ptr<Weights> weights,
             std::shared_ptr<Weights> vocabulary)
    : options_(options),
      files_{file_at(path)},
      vocabulary_(std::move(vocabulary)),
      info_(info_of(weights->get())),
      kept_(std::move(weights)),
      weights_(kept_),
      vocab_(llama().llama_model_get_vocab(vocabulary_->get())),
      vocab_size_(llama().llama_vocab_n_tokens(vocab_)),
      has_tokenizer_(llama().llama_vocab_type(vocab_) != LLAMA_VOCAB_TYPE_NONE),
      tokenizer_(vocabulary_->get(), vocab_) {
  for (const auto& lora : options.loras) files_.push_back(file_at(lora.path));
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
    if (auto present = weights_.lock()) {
      present->check_unchanged();
      return present;
    }
  }
  // Their headers were checked when they were loaded first; of other files llama.cpp might end the process.
  for (const auto& file : files_) {
    if (file_at(file.path) != file)
      throw Failure("MODEL_LOAD_FAILED",
                    file.path + " is gone or has changed since it was loaded; close the model and load it anew");
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

Token Model::bos() const {
  return has_tokenizer_ && llama().llama_vocab_get_add_bos(vocab_) ? llama().llama_vocab_bos(vocab_) : -1;
}

Token Model::eos() const {
  return has_tokenizer_ && llama().llama_vocab_get_add_eos(vocab_) ? llama().llama_vocab_eos(vocab_) : -1;
}

void Model::check_tokenizer() const {
  if (!has_tokenizer_)
    throw Failure("TOKENIZE_FAILED", "this model's file has no tokenizer; pass tokens instead of text");
}

std::vector<Token> Model::tokenize(std::string_view text, bool special, size_t part_bytes) const {
  check_tokenizer();
  return tokenizer_.tokenize(text, special, part_bytes);
}

std::string Model::piece(Token token, bool special) const {
  check_tokenizer();
  check_tokens(&token, 1);
  std::string bytes(64, '\0');
  int length = 0;
  const auto thrown = catch_exceptions([&] {
    length = llama().llama_token_to_piece(vocab_, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0, special);
    if (length < 0) {
      bytes.resize(static_cast<size_t>(-length));
      length =
          llama().llama_token_to_piece(vocab_, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0, special);
    }
  });
  if (thrown || length < 0)
    throw Failure("TOKENIZE_FAILED", "llama.cpp has no text for token " + std::to_string(token));
  bytes.resize(static_cast<size_t>(length));
  return bytes;
}

const VocabularyTexts& Model::texts() const {
  std::call_once(texts_made_, [&] {
    std::vector<std::string> texts(static_cast<size_t>(vocab_size_)), plain(texts.size());
    for (Token token = 0; token < vocab_size_; token++) {
      if (llama().llama_vocab_is_eog(vocab_, token)) eog_tokens_.push_back(token);
      // A token that llama.cpp has no text for has none here.
      try {
        texts[static_cast<size_t>(token)] = piece(token, true);
        plain[static_cast<size_t>(token)] = piece(token, false);
      } catch (const Failure&) {
      }
    }
    texts_ = std::make_unique<const VocabularyTexts>(texts, plain);
  });
  return *texts_;
}

const std::vector<Token>& Model::eog_tokens() const {
  texts();
  return eog_tokens_;
}

std::string Model::detokenize(const std::vector<Token>& tokens, bool special) const {
  constexpr size_t kMaxTokens = size_t(1) << 24, kMaxBytes = size_t(256) << 20;
  check_tokenizer();
  check_tokens(tokens.data(), tokens.size());
  const auto too_long = [] {
    return Failure("TEXT_TOO_LONG",
                   "these tokens are more than " + std::to_string(kMaxBytes) + " bytes of text; pass them in parts");
  };
  if (tokens.size() > kMaxTokens)
    throw Failure("INVALID_OPTION", "at most " + std::to_string(kMaxTokens) +
                                        " tokens become text at once, and these are " + std::to_string(tokens.size()) +
                                        "; pass them in parts");
  // Of few tokens llama.cpp itself counts the bytes, in 31 bits.
  constexpr size_t kFew = size_t(1) << 16;
  if (tokens.size() > kFew) {
    size_t bytes = 0;
    for (const Token token : tokens) {
      bytes += static_cast<size_t>(std::abs(llama().llama_token_to_piece(vocab_, token, nullptr, 0, 0, special)));
      if (bytes > kMaxBytes) throw too_long();
    }
  }
  std::string text(tokens.size() * 8 + 16, '\0');
  int length = 0;
  const auto thrown = catch_exceptions([&] {
    const auto count = static_cast<int32_t>(tokens.size());
    length = llama().llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<int32_t>(text.size()),
                                      false, special);
    if (length < 0 && length >= -static_cast<int>(kMaxBytes)) {
      text.resize(static_cast<size_t>(-length));
      length = llama().llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<int32_t>(text.size()),
                                        false, special);
    }
  });
  if (!thrown && length < -static_cast<int>(kMaxBytes)) throw too_long();
  if (thrown || length < 0) throw Failure("TOKENIZE_FAILED", "llama.cpp cannot turn these tokens into text");
  text.resize(static_cast<size_t>(length));
  return text;
}

void Model::check_tokens(const Token* tokens, size_t count) const {
  for (size_t i = 0; i < count; i++) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size_) {
      throw Failure("INVALID_OPTION", "token " + std::to_string(tokens[i]) + " (at index " + std::to_string(i) +
                                          ") is not in the vocabulary of " + std::to_string(vocab_size_) + " tokens");
    }
  }
}

}  // namespace streaming
