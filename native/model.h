#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache_policy.h"
#include "llama_library.h"

namespace streaming {

// A loaded model and its vocabulary. Immutable, so any thread may use it; shared by the JavaScript object and the
// engine, freed with the last of them.
class Model {
 public:
  struct LoadOptions {
    int gpu_layers = 0;
    std::vector<std::string> rpc;  // servers that take part, as `host:port`
    std::string rpc_library;       // ggml's back end for them
    std::vector<std::string> devices;  // GPUs of this machine, by their names; none: the processor alone
  };
  // `progress` is called on the calling thread with 0..1 and returns false to give up.
  // Throws Failure MODEL_LOAD_FAILED, ABORTED, RPC_UNAVAILABLE, GPU_UNAVAILABLE.
  static std::shared_ptr<Model> load(const std::string& path, const LoadOptions& options, const std::function<bool(float)>& progress);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  llama_model* get() const { return model_; }
  const llama_vocab* vocab() const { return vocab_; }
  int vocab_size() const { return vocab_size_; }
  bool has_tokenizer() const { return has_tokenizer_; }

  // The token that begins every text, or -1 where the model wants none.
  Token beginning() const;
  // `special`: texts of special tokens ("<|im_end|>") become these tokens; else they stay text.
  // Throws Failure TOKENIZE_FAILED for text that the vocabulary cannot express.
  std::vector<Token> tokenize(std::string_view text, bool special) const;
  // The bytes a token stands for, not always whole characters. `special`: control tokens show their names.
  std::string piece(Token token, bool special) const;
  std::string detokenize(const std::vector<Token>& tokens, bool special) const;
  // Throws Failure INVALID_OPTION naming the first token that the vocabulary does not have.
  void check_tokens(const Token* tokens, size_t count) const;

 private:
  explicit Model(llama_model* model);
  void need_tokenizer() const;

  llama_model* const model_;
  const llama_vocab* const vocab_;
  const int vocab_size_;
  const bool has_tokenizer_;
};

}  // namespace streaming
