#include "shift_score.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "evaluation_functions.h"
#include "llama/catch_exceptions.h"
#include "support/failure.h"

namespace streaming {
namespace {

// One sequence in a cache of its own, whose positions are the places in the cache.
class ShiftedSequence {
 public:
  ShiftedSequence(const Model& model, const ShiftScoring& options)
      : options_(options), vocab_size_(model.vocab_size()) {
    const auto rope = EvaluationFunctions::get().llama_model_rope_type(model.weights()->get());
    if (rope == LLAMA_ROPE_TYPE_MROPE || rope == LLAMA_ROPE_TYPE_IMROPE || rope == LLAMA_ROPE_TYPE_VISION) {
      throw Failure("POLICY_UNAVAILABLE",
                    "llama.cpp cannot shift keys whose positions have several parts (M-RoPE): it ends the process");
    }
    const int capacity = options.sinks + options.window;
    const int trained = model.info().trained_length;
    if (capacity + 1 > trained) {
      throw Failure("WINDOW_TOO_LARGE", "sinks + window + 1 must not be larger than the " + std::to_string(trained) +
                                            " tokens that the model was trained on; the window may have at most " +
                                            std::to_string(trained - options.sinks - 1));
    }
    auto params = llama().llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(capacity + 1);
    params.n_batch = params.n_ubatch = 1;
    params.n_seq_max = 1;
    params.n_threads = params.n_threads_batch = options.threads;
    params.type_k = params.type_v = options.kv_type;
    params.flash_attn_type = options.flash_attention;
    params.swa_full = true;  // else the caches of both kinds of layers differ in size, and llama.cpp shifts neither
    LlamaLibrary::take_errors();
    const auto thrown =
        catch_exceptions([&] { context_.reset(llama().llama_init_from_model(model.weights()->get(), params)); });
    if (!context_) {
      const auto reason = thrown ? *thrown : LlamaLibrary::take_errors();
      throw Failure("OUT_OF_MEMORY", "llama.cpp has no cache of this type and size for the model" +
                                         (reason.empty() ? std::string() : ": " + reason));
    }
    memory_ = llama().llama_get_memory(context_.get());
    if (!memory_ || !EvaluationFunctions::get().llama_memory_can_shift(memory_)) {
      throw Failure("POLICY_UNAVAILABLE", "llama.cpp says that it cannot shift the keys of this model");
    }
  }

  // A first K-shift on two tokens. Where llama.cpp ends the process over it, that happens here, before anything counts.
  void try_out(Token token) {
    decode(token);
    decode(token);
    drop(0, 1);
    decode(token);
    const auto thrown = catch_exceptions([&] { EvaluationFunctions::get().llama_memory_clear(memory_, true); });
    if (thrown) throw Failure("DECODE_FAILED", "llama.cpp could not clear its cache: " + *thrown);
    size_ = 0;
  }

  // What the next token may see is all that stays.
  void make_room() {
    if (size_ <= options_.sinks + options_.window) return;
    drop(options_.sinks, options_.policy == ShiftScoring::shift ? 1 : std::max(1, options_.window / 2));
  }

  void decode(Token token) {
    llama_pos position = size_;
    int32_t count = 1;
    llama_seq_id id = 0, *ids = &id;
    int8_t output = 1;
    llama_batch batch{};
    batch.n_tokens = 1;
    batch.token = &token;
    batch.pos = &position;
    batch.n_seq_id = &count;
    batch.seq_id = &ids;
    batch.logits = &output;
    LlamaLibrary::take_errors();
    int32_t result = 0;
    const auto thrown = catch_exceptions([&] { result = llama().llama_decode(context_.get(), batch); });
    if (thrown || result != 0) {
      const auto reason = thrown ? *thrown : LlamaLibrary::take_errors();
      throw Failure("DECODE_FAILED", "llama.cpp could not decode a token (" +
                                         (reason.empty() ? "code " + std::to_string(result) : reason) + ")");
    }
    size_++;
  }

  // -log of the probability of `next` after the token decoded last.
  double nll(Token next) const {
    const float* logits = llama().llama_get_logits_ith(context_.get(), 0);
    if (!logits) throw Failure("DECODE_FAILED", "llama.cpp has computed no logits");
    const double largest = *std::max_element(logits, logits + vocab_size_);
    double sum = 0;
    for (int i = 0; i < vocab_size_; i++) sum += std::exp(logits[i] - largest);
    return largest + std::log(sum) - logits[next];
  }

 private:
  // Takes `count` tokens away from position `first` on and moves what follows to their place.
  void drop(int first, int count) {
    bool dropped = false;
    const auto thrown = catch_exceptions([&] {
      dropped = llama().llama_memory_seq_rm(memory_, 0, first, first + count);
      if (dropped) EvaluationFunctions::get().llama_memory_seq_add(memory_, 0, first + count, size_, -count);
    });
    if (thrown || !dropped)
      throw Failure("DECODE_FAILED", "llama.cpp could not take tokens out of its cache" +
                                         (thrown && !thrown->empty() ? ": " + *thrown : std::string()));
    size_ -= count;
  }

  struct Free {
    void operator()(llama_context* context) const { llama().llama_free(context); }
  };
  const ShiftScoring& options_;
  const int vocab_size_;
  std::unique_ptr<llama_context, Free> context_;
  llama_memory_t memory_ = nullptr;
  int size_ = 0;
};

}  // namespace

ShiftScores score_by_shift(const Model& model, const std::vector<Token>& tokens, const ShiftScoring& options,
                           const std::function<void(size_t)>& progress) {
  if (tokens.size() < 2) throw Failure("INVALID_OPTION", "scoring needs two tokens at least");
  model.check_tokens(tokens.data(), tokens.size());
  ShiftedSequence sequence(model, options);
  sequence.try_out(tokens[0]);
  progress(0);
  ShiftScores scores;
  scores.nll.reserve(tokens.size() - 1);
  scores.milliseconds.reserve(tokens.size() - 1);
  for (size_t i = 0; i + 1 < tokens.size(); i++) {
    const auto start = std::chrono::steady_clock::now();
    sequence.make_room();
    sequence.decode(tokens[i]);
    scores.nll.push_back(sequence.nll(tokens[i + 1]));
    scores.milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    progress(i + 1);
  }
  return scores;
}

}  // namespace streaming
