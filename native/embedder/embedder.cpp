#include "embedder/embedder.h"

#include <algorithm>
#include <cmath>

#include "llama/assertions.h"
#include "llama/batch.h"
#include "llama/catch_exceptions.h"
#include "support/at_exit.h"
#include "support/failure.h"

namespace streaming {
namespace {

constexpr int kMaxTextsPerBatch = 16;

// Pools the states of one text's tokens as they come.
class Pool {
 public:
  Pool(Embedder::Pooling pooling, size_t width) : pooling_(pooling), sum_(width, 0.0) {}
  void add(const float* state) {
    count_++;
    if (pooling_ == Embedder::first && count_ > 1) return;
    for (size_t i = 0; i < sum_.size(); i++) sum_[i] = (pooling_ == Embedder::mean ? sum_[i] : 0.0) + state[i];
  }
  std::vector<float> result(bool normalize) const {
    double factor = pooling_ == Embedder::mean ? 1.0 / count_ : 1.0;
    if (normalize) {
      double squares = 0;
      for (const double each : sum_) squares += each * each;
      // A text whose states cancel out has no direction.
      factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
    }
    std::vector<float> vector(sum_.size());
    std::transform(sum_.begin(), sum_.end(), vector.begin(),
                   [factor](double each) { return static_cast<float>(each * factor); });
    return vector;
  }

 private:
  const Embedder::Pooling pooling_;
  std::vector<double> sum_;
  int count_ = 0;
};

}  // namespace

// A recurrent model's batch is split by texts of unequal length anyway, and each text would take a state of its own.
Embedder::Embedder(std::shared_ptr<Model> model, const ContextOptions& options)
    : model_(std::move(model)),
      options_(options),
      sequences_(model_->info().recurrent || model_->info().hybrid ? 1 : kMaxTextsPerBatch) {
  std::lock_guard lock(AtExit::get().mutex);
  AtExit::get().stops.emplace(this, [this] { stop(); });
}

Embedder::~Embedder() { stop(); }

void Embedder::start(std::function<void()> task) {
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread(std::move(task));
}

std::vector<std::vector<float>> Embedder::embed(const Request& request, const std::atomic<bool>& aborted) {
  const auto check = [&] {
    if (stopping_) throw Failure("CLOSED", "the model was closed");
    if (aborted) throw Failure("ABORTED", "embedding was aborted");
  };
  std::vector<std::vector<Token>> texts;
  for (size_t i = 0; i < request.texts.size(); i++) {
    check();
    texts.push_back(tokens_of(request, i));
  }
  check();
  size_t max_length = 0;
  for (const auto& text : texts) max_length = std::max(max_length, text.size());
  try {
    ensure_context(std::max(static_cast<int>(max_length), options_.batch_size),
                   [&](float) { return !stopping_ && !aborted; });
  } catch (const Failure&) {
    check();  // given up while the weights were loaded
    throw;
  }
  struct AbortFlagReset {
    const std::atomic<bool>*& flag;
    ~AbortFlagReset() { flag = nullptr; }
  } reset{aborted_};
  aborted_ = &aborted;
  const auto width = static_cast<size_t>(model_->info().width);
  std::vector<Pool> pools(texts.size(), Pool(request.pooling, width));
  Batch batch(options_.batch_size);
  std::vector<size_t> owners;  // of the batch's tokens
  const auto flush = [&] {
    check();
    decode(batch);
    for (size_t i = 0; i < owners.size(); i++) {
      const float* state = nullptr;
      const auto thrown =
          catch_exceptions([&] { state = llama().llama_get_embeddings_ith(context_, static_cast<int32_t>(i)); });
      if (thrown || !state) throw Failure("DECODE_FAILED", "llama.cpp gave no hidden states of this model");
      pools[owners[i]].add(state);
    }
    batch.clear(), owners.clear();
  };
  const auto memory = llama().llama_get_memory(context_);
  const auto clear = [&] {
    for (int id = 0; id < sequences_; id++) llama().llama_memory_seq_rm(memory, id, -1, -1);
  };
  clear();
  // Whole texts share a batch; one that is longer than a batch has some to itself.
  int used = 0;
  for (size_t i = 0; i < texts.size(); i++) {
    const auto& text = texts[i];
    if (used == sequences_ || (used > 0 && static_cast<int>(text.size()) > batch.left())) {
      flush();
      clear();
      used = 0;
    }
    for (size_t at = 0; at < text.size(); at++) {
      if (batch.left() == 0) flush();
      batch.add(text[at], static_cast<Position>(at), used, true);
      owners.push_back(i);
    }
    used++;
  }
  if (!owners.empty()) flush();
  std::vector<std::vector<float>> vectors;
  for (const auto& pool : pools) vectors.push_back(pool.result(request.normalize));
  return vectors;
}

std::vector<Token> Embedder::tokens_of(const Request& request, size_t index) const {
  auto tokens = model_->tokenize(request.texts[index], false);
  if (const Token token = model_->bos(); token >= 0) tokens.insert(tokens.begin(), token);
  if (const Token token = model_->eos(); token >= 0) tokens.push_back(token);
  const std::string which = "text " + std::to_string(index);
  const int trained = model_->info().trained_length;
  if (tokens.empty()) throw Failure("INVALID_OPTION", "embed: " + which + " has no tokens, so it has no embedding");
  if (tokens.size() > static_cast<size_t>(trained)) {
    throw Failure("TEXT_TOO_LONG", "embed: " + which + " has " + std::to_string(tokens.size()) +
                                       " tokens, and the model was trained on at most " + std::to_string(trained) +
                                       " at once; split it");
  }
  if (tokens.size() > static_cast<size_t>(request.max_tokens)) {
    throw Failure("OUT_OF_MEMORY", "embed: " + which + " has " + std::to_string(tokens.size()) +
                                       " tokens, and this machine has memory for " +
                                       std::to_string(request.max_tokens) + "; split it");
  }
  return tokens;
}

void Embedder::ensure_context(int cells, const Weights::Progress& progress) {
  if (context_ && cells <= cells_) return weights_->check_unchanged();
  release();
  weights_ = model_->weights(progress);
  auto params = context_params(options_, cells, sequences_);
  params.n_outputs_max = params.n_batch;
  params.embeddings = true;
  params.pooling_type = LLAMA_POOLING_TYPE_NONE;
  params.abort_callback = [](void* data) {
    const auto* embedder = static_cast<Embedder*>(data);
    return embedder->stopping_.load(std::memory_order_relaxed) ||
           (embedder->aborted_ && embedder->aborted_->load(std::memory_order_relaxed));
  };
  params.abort_callback_data = this;
  take_assertion();
  context_ = weights_->make_context(params);
  if (!context_) {
    const auto reason = LlamaLibrary::take_errors();
    release();
    if (take_assertion())
      throw Failure("MODEL_UNSUPPORTED", "llama.cpp cannot compute this model's embeddings: " + reason);
    throw Failure("OUT_OF_MEMORY", "llama.cpp could not make a context for embeddings of " + std::to_string(cells) +
                                       " tokens" + (reason.empty() ? "" : ": " + reason));
  }
  if (!llama().llama_get_memory(context_)) {
    release();
    throw Failure("MODEL_UNSUPPORTED",
                  "this model keeps no memory of what it has read, so it makes no embeddings here");
  }
  pool_ = std::make_unique<ThreadPool>(options_.threads);
  pool_->attach(context_);
  cells_ = static_cast<int>(llama().llama_n_ctx(context_));
}

void Embedder::decode(Batch& batch) {
  LlamaLibrary::take_errors();
  take_assertion();
  int result = 0;
  const auto thrown = catch_exceptions([&] { result = llama().llama_decode(context_, batch.get()); });
  if (!thrown && result == 0) return;
  if (take_assertion()) release();
  if (stopping_) throw Failure("CLOSED", "the model was closed");
  if (*aborted_) throw Failure("ABORTED", "embedding was aborted");
  throw Failure("DECODE_FAILED",
                thrown ? "llama.cpp failed: " + *thrown
                       : "llama.cpp failed with " + std::to_string(result) + ": " + LlamaLibrary::take_errors());
}

void Embedder::release() {
  if (context_) llama().llama_free(context_);
  context_ = nullptr;
  cells_ = 0;
  pool_.reset();
  weights_.reset();
}

void Embedder::stop() {
  stopping_ = true;
  std::lock_guard lock(AtExit::get().mutex);
  AtExit::get().stops.erase(this);
  if (thread_.joinable()) thread_.join();
  release();
}

}  // namespace streaming
