#include "attention.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "evaluation_functions.h"
#include "llama/catch_exceptions.h"
#include "support/failure.h"

namespace streaming {
namespace {

constexpr char kWeights[] = "kq_soft_max-";  // and the layer's number: llama.cpp's name for what is looked at

// Called by ggml on the thread that decodes, for each node of the graph: first to ask whether it is wanted, then with
// its values, which lie in this process's memory, since nothing is offloaded.
struct Reader {
  AttentionMaps maps;

  bool read(const ggml_tensor* tensor, bool ask) {
    if (std::strncmp(tensor->name, kWeights, sizeof kWeights - 1) != 0) return !ask;
    if (ask) return true;
    const int layer = std::atoi(tensor->name + sizeof kWeights - 1);
    // Cells of the cache, tokens, heads, streams.
    const int64_t cells = tensor->ne[0], tokens = tensor->ne[1], heads = tensor->ne[2];
    if (tensor->type != GGML_TYPE_F32 || tensor->ne[3] != 1 || tokens != maps.length || cells < maps.length ||
        layer < 0 || layer >= maps.layers)
      return true;
    double* sums = maps.weights.data() + static_cast<size_t>(layer) * maps.length * maps.length;
    for (int64_t head = 0; head < heads; head++) {
      for (int64_t token = 0; token < tokens; token++) {
        const auto* row = reinterpret_cast<const float*>(static_cast<const char*>(tensor->data) + head * tensor->nb[2] +
                                                         token * tensor->nb[1]);
        for (int seen = 0; seen <= token; seen++)
          sums[token * maps.length + seen] += row[seen] / static_cast<double>(heads);
      }
    }
    return true;
  }
};

struct Free {
  void operator()(llama_context* context) const { llama().llama_free(context); }
};

}  // namespace

AttentionMaps attention_maps(const Model& model, const std::vector<Token>& tokens, int length, int threads,
                             const std::function<void(size_t)>& progress) {
  const size_t texts = tokens.size() / static_cast<size_t>(length);
  if (texts == 0 || tokens.size() % static_cast<size_t>(length) != 0)
    throw Failure("INVALID_OPTION", "the tokens must be one or more texts of " + std::to_string(length) + " tokens");
  model.check_tokens(tokens.data(), tokens.size());
  Reader reader;
  reader.maps.layers = model.info().layers;
  reader.maps.length = length;
  reader.maps.weights.assign(static_cast<size_t>(reader.maps.layers) * length * length, 0);

  auto params = llama().llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = static_cast<uint32_t>(length);
  params.n_seq_max = 1;
  params.n_threads = params.n_threads_batch = threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;  // it never has all weights at once
  params.cb_eval = [](ggml_tensor* tensor, bool ask, void* data) {
    return static_cast<Reader*>(data)->read(tensor, ask);
  };
  params.cb_eval_user_data = &reader;
  LlamaLibrary::take_errors();
  std::unique_ptr<llama_context, Free> context;
  const auto refused =
      catch_exceptions([&] { context.reset(llama().llama_init_from_model(model.weights()->get(), params)); });
  if (!context)
    throw Failure("OUT_OF_MEMORY",
                  "llama.cpp could not make a cache: " + (refused ? *refused : LlamaLibrary::take_errors()));
  const auto memory = llama().llama_get_memory(context.get());
  if (!memory) throw Failure("MODEL_UNSUPPORTED", "this model keeps no memory of what it has read");

  std::vector<Token> text;
  std::vector<int8_t> outputs(static_cast<size_t>(length), 0);
  outputs.back() = 1;
  for (size_t done = 0; done < texts; done++) {
    text.assign(tokens.begin() + static_cast<std::ptrdiff_t>(done) * length,
                tokens.begin() + static_cast<std::ptrdiff_t>(done + 1) * length);
    int result = 0;
    const auto thrown = catch_exceptions([&] {
      EvaluationFunctions::get().llama_memory_clear(memory, true);
      result = llama().llama_decode(context.get(),
                                    {length, text.data(), nullptr, nullptr, nullptr, nullptr, outputs.data()});
    });
    if (thrown || result != 0)
      throw Failure("DECODE_FAILED",
                    "llama.cpp could not decode a text: " + (thrown ? *thrown : LlamaLibrary::take_errors()));
    progress(done + 1);
  }
  bool any = false;
  for (double& weight : reader.maps.weights) any |= (weight /= static_cast<double>(texts)) > 0;
  if (!any) throw Failure("MODEL_UNSUPPORTED", "llama.cpp shows no attention weights of this model");
  return std::move(reader.maps);
}

}  // namespace streaming
