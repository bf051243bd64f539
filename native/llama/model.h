#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "llama/tokenizer.h"
#include "llama/vocabulary_texts.h"
#include "llama/weights.h"
#include "support/tokens.h"

namespace streaming {

// A model: its vocabulary and metadata, which stay loaded, and its weights, which may be unloaded and loaded again. Any
// thread may use it; shared by the JavaScript object, the engine and the embedder.
class Model {
 public:
  // What llama.cpp reports about it.
  struct Info {
    std::string description, chat_template;
    uint64_t parameters = 0, size_bytes = 0;
    int layers = 0, trained_length = 0, sliding_window = 0;
    int width = 0;  // of the vectors that its last layer puts out
    bool encoder = false, decoder = false, recurrent = false, hybrid = false, diffusion = false, positions = false;
    bool spatial = false;        // positions have a place in the plane besides (M-RoPE)
    bool caches_values = false;  // beside the keys: not MLA, whose values are part of the keys
  };

  // `unloads`: unload() can be called, so the vocabulary is loaded apart from the weights. Throws as Weights::load.
  static std::shared_ptr<Model> load(const std::string& path, const Weights::LoadOptions& options, bool unloads,
                                     const Weights::Progress& progress);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // They stay loaded until unload(), and while a pointer to them is held. Unloaded weights are loaded again on the
  // calling thread, which may take seconds. Throws as Weights::load, and MODEL_LOAD_FAILED if the file has changed.
  std::shared_ptr<Weights> weights(const Weights::Progress& progress = [](float) { return true; }) const;
  // Drops this reference to the weights, which are freed with the last other one.
  void unload();
  bool loaded() const;
  const Info& info() const { return info_; }
  const llama_vocab* vocab() const { return vocab_; }
  int vocab_size() const { return vocab_size_; }
  bool has_tokenizer() const { return has_tokenizer_; }

  // The token that begins every text (BOS), or -1 where the model wants none.
  Token bos() const;
  // The token that ends every complete text (EOS), or -1 where the model wants none.
  Token eos() const;
  // `special`: texts of special tokens ("<|im_end|>") become these tokens; else they stay text.
  // Throws Failure TOKENIZE_FAILED for text that the vocabulary cannot express, TEXT_TOO_LONG, OUT_OF_MEMORY.
  std::vector<Token> tokenize(std::string_view text, bool special, size_t part_bytes = Tokenizer::kPartBytes) const;
  // The bytes a token stands for, not always whole characters. `special`: control tokens show their names.
  std::string piece(Token token, bool special) const;
  // The texts of all its tokens; made at the first call, which takes some tenths of a second for a large vocabulary.
  const VocabularyTexts& texts() const;
  // The tokens that end a reply (llama.cpp's end-of-generation tokens). They are found along with texts().
  const std::vector<Token>& eog_tokens() const;
  // Throws Failure INVALID_OPTION, TEXT_TOO_LONG, TOKENIZE_FAILED.
  std::string detokenize(const std::vector<Token>& tokens, bool special) const;
  // Throws Failure INVALID_OPTION naming the first token that the vocabulary does not have.
  void check_tokens(const Token* tokens, size_t count) const;

 private:
  struct File {
    std::string path;
    uintmax_t bytes;
    std::filesystem::file_time_type changed;
    bool operator==(const File&) const = default;
  };
  Model(const std::string& path, const Weights::LoadOptions& options, std::shared_ptr<Weights> weights,
        std::shared_ptr<Weights> vocabulary);
  static File file_at(const std::string& path);
  void check_tokenizer() const;

  const Weights::LoadOptions options_;
  std::vector<File> files_;  // the model's first, then the adapters', as they were
  const std::shared_ptr<Weights> vocabulary_;
  const Info info_;
  mutable std::mutex loading_;  // held while weights are loaded, so that they are loaded once
  mutable std::mutex mutex_;    // of what follows
  std::shared_ptr<Weights> kept_;
  mutable std::weak_ptr<Weights> weights_;

  mutable std::once_flag texts_made_;
  mutable std::unique_ptr<const VocabularyTexts> texts_;
  mutable std::vector<Token> eog_tokens_;

  const llama_vocab* const vocab_;
  const int vocab_size_;
  const bool has_tokenizer_;
  const Tokenizer tokenizer_;
};

}  // namespace streaming
