// The floor of the benchmark: what a token costs when nothing is done for it but what llama.cpp must do. A loop of
// llama_decode at a full cache, over the libraries that the addon opens, opened by the addon's own code: decode one
// token, take the most likely next one, take the decoded one out of the cache again, go on with the next. No eviction,
// no JavaScript, no text.
//
//   floor LLAMA GGML GGML_BASE BACKENDS MODEL CELLS THREADS POOL      paths of the libraries and of the model, numbers;
//                                                                     BACKENDS: for processors, a line each
//
// POOL 1: with the addon's thread pool; 0: without one, so that llama.cpp starts and ends its threads at every decode.
//
// On stdin a line for each request, on stdout a line of JSON for each answer:
//
//   fill TOKEN TOKEN ...   decodes all but the last one, with which the loop begins; answers the context's size in
//   cells generate COUNT         answers {"times":[...],"tokens":[...]}: milliseconds from token to token, and the
//   tokens
//
// One thread does everything here; llama.cpp computes on THREADS, this one among them.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "llama/argmax.h"
#include "llama/llama_library.h"
#include "llama/thread_pool.h"
#include "support/failure.h"

namespace {

using streaming::Failure;
using streaming::llama;
using streaming::LlamaLibrary;
using Clock = std::chrono::steady_clock;

// As the addon has it by default, so that the graphs are made for the same shapes.
constexpr int kBatchTokens = 128;

// Owns the model and the context, and knows what is decoded next.
class Loop {
 public:
  Loop(const std::string& path, int cells, int threads, bool pool) {
    auto model_params = llama().llama_model_default_params();
    model_params.n_gpu_layers = 0;
    model_ = llama().llama_model_load_from_file(path.c_str(), model_params);
    if (!model_)
      throw Failure("MODEL_LOAD_FAILED", "llama.cpp cannot load " + path + ": " + LlamaLibrary::take_errors());
    auto params = llama().llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(cells);
    params.n_batch = params.n_ubatch = kBatchTokens;
    params.n_seq_max = params.n_outputs_max = 1;
    params.n_threads = params.n_threads_batch = threads;
    params.kv_unified = true;
    params.type_k = params.type_v = GGML_TYPE_F16;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    context_ = llama().llama_init_from_model(model_, params);
    if (!context_) throw Failure("OUT_OF_MEMORY", "llama.cpp cannot make a context: " + LlamaLibrary::take_errors());
    if (pool) pool_.emplace(threads).attach(context_);
    memory_ = llama().llama_get_memory(context_);
    vocabulary_ = llama().llama_vocab_n_tokens(llama().llama_model_get_vocab(model_));
  }
  ~Loop() {
    if (context_) llama().llama_free(context_);
    if (model_) llama().llama_model_free(model_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uint32_t cells() const { return llama().llama_n_ctx(context_); }

  void fill(std::vector<llama_token> tokens) {
    if (tokens.size() < 2) throw Failure("INVALID_OPTION", "there must be two tokens or more to fill the cache with");
    for (const auto token : tokens) {
      if (token < 0 || token >= vocabulary_)
        throw Failure("INVALID_OPTION", "token " + std::to_string(token) + " is not in the vocabulary");
    }
    next_ = tokens.back();
    tokens.pop_back();
    llama().llama_memory_seq_rm(memory_, 0, -1, -1);
    filled_ = 0;
    while (filled_ < static_cast<int>(tokens.size())) {
      const int count = std::min(kBatchTokens, static_cast<int>(tokens.size()) - filled_);
      decode(tokens.data() + filled_, count);
      filled_ += count;
    }
  }

  llama_token step() {
    decode(&next_, 1);
    const float* logits = llama().llama_get_logits_ith(context_, 0);
    next_ = streaming::argmax(logits, vocabulary_);
    llama().llama_memory_seq_rm(memory_, 0, filled_, -1);
    return next_;
  }

 private:
  // Tokens at the positions after what is filled; only the last one's logits are wanted.
  void decode(llama_token* tokens, int count) {
    for (int i = 0; i < count; i++) {
      positions_[i] = filled_ + i;
      outputs_[i] = i == count - 1;
    }
    const llama_batch batch{count, tokens, nullptr, positions_, counts_.data(), ids_.data(), outputs_};
    const int result = llama().llama_decode(context_, batch);
    if (result != 0)
      throw Failure("DECODE_FAILED",
                    "llama_decode returned " + std::to_string(result) + ": " + LlamaLibrary::take_errors());
  }

  std::optional<streaming::ThreadPool> pool_;  // outlives the context, which the destructor frees
  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_memory_t memory_ = nullptr;
  int vocabulary_ = 0;
  int filled_ = 0;
  llama_token next_ = 0;
  llama_pos positions_[kBatchTokens];
  int8_t outputs_[kBatchTokens];
  llama_seq_id only_ = 0;
  std::vector<int32_t> counts_ = std::vector<int32_t>(kBatchTokens, 1);
  std::vector<llama_seq_id*> ids_ = std::vector<llama_seq_id*>(kBatchTokens, &only_);
};

int to_int(const std::string& word) {
  int value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size())
    throw Failure("INVALID_OPTION", "\"" + word + "\" is not a whole number");
  return value;
}

template <class T>
std::string list(const std::vector<T>& values) {
  std::ostringstream out;
  for (size_t i = 0; i < values.size(); i++) out << (i ? "," : "") << values[i];
  return "[" + out.str() + "]";
}

std::string generate(Loop& loop, int count) {
  if (count < 1) throw Failure("INVALID_OPTION", "at least one token must be generated");
  std::vector<double> times(static_cast<size_t>(count));
  std::vector<llama_token> tokens(static_cast<size_t>(count));
  auto before = Clock::now();
  for (size_t i = 0; i < times.size(); i++) {
    tokens[i] = loop.step();
    const auto now = Clock::now();
    times[i] = std::chrono::duration<double, std::milli>(now - before).count();
    before = now;
  }
  return "{\"times\":" + list(times) + ",\"tokens\":" + list(tokens) + "}";
}

std::string answer(Loop& loop, std::istringstream& request) {
  std::string command;
  std::vector<int> numbers;
  request >> command;
  for (std::string word; request >> word;) numbers.push_back(to_int(word));
  if (command == "fill") {
    loop.fill(numbers);
    return "{\"cells\":" + std::to_string(loop.cells()) + "}";
  }
  if (command == "generate" && numbers.size() == 1) return generate(loop, numbers[0]);
  throw Failure("INVALID_OPTION", "unknown request \"" + request.str() + "\"");
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream from(text);
  for (std::string line; std::getline(from, line);) found.push_back(line);
  return found;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 9)
      throw Failure("INVALID_OPTION", "usage: floor LLAMA GGML GGML_BASE BACKENDS MODEL CELLS THREADS POOL");
    LlamaLibrary::open({arguments[1], arguments[2], arguments[3], lines(arguments[4]), {}});
    Loop loop(arguments[5], to_int(arguments[6]), to_int(arguments[7]), to_int(arguments[8]) != 0);
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream request(line);
      std::cout << answer(loop, request) << std::endl;
    }
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << std::endl;
    return 1;
  }
}
