#include "weights.h"

#include "backends.h"
#include "failure.h"
#include "guarded.h"
#include "rpc.h"

namespace streaming {

std::shared_ptr<Weights> Weights::load(const std::string& path, const LoadOptions& options, const Progress& progress) {
  auto params = llama().llama_model_default_params();
  params.n_gpu_layers = options.gpu_layers;
  // Servers first, then the GPUs of this machine, as llama.cpp's own programs do it.
  auto devices = rpc_devices(options.rpc, options.rpc_library);
  for (const auto device : find_devices(options.devices)) devices.push_back(device);
  devices.push_back(nullptr);
  params.devices = devices.data();
  params.vocab_only = options.vocabulary_alone;
  bool given_up = false;
  const auto report = [&](float done) {
    if (!progress(done)) given_up = true;
    return !given_up;
  };
  using Report = decltype(report);
  params.progress_callback = [](float done, void* data) { return (*static_cast<const Report*>(data))(done); };
  params.progress_callback_user_data = const_cast<void*>(static_cast<const void*>(&report));
  LlamaLibrary::take_errors();
  llama_model* loaded = nullptr;
  const auto thrown = guarded([&] { loaded = llama().llama_model_load_from_file(path.c_str(), params); });
  if (!loaded) {
    if (given_up) throw Failure("ABORTED", "loading " + path + " was aborted");
    const std::string reason = thrown ? *thrown : LlamaLibrary::take_errors();
    throw Failure("MODEL_LOAD_FAILED", "llama.cpp cannot load " + path + (reason.empty() ? "" : ": " + reason));
  }
  const std::shared_ptr<Weights> weights(new Weights(loaded));
  for (const auto& adapter : options.adapters) weights->add(adapter);
  return weights;
}

Weights::~Weights() { llama().llama_model_free(model_); }

void Weights::add(const Adapter& adapter) {
  LlamaLibrary::take_errors();
  llama_adapter_lora* loaded = nullptr;
  const auto thrown = guarded([&] { loaded = llama().llama_adapter_lora_init(model_, adapter.path.c_str()); });
  if (!loaded) {
    const std::string reason = thrown ? *thrown : LlamaLibrary::take_errors();
    // Where a GPU has no room for it, fewer of the model's layers may go there.
    const bool no_memory = reason.find("failed to allocate") != std::string::npos;
    throw Failure(no_memory ? "MODEL_LOAD_FAILED" : "ADAPTER_INVALID", "llama.cpp cannot load the adapter " + adapter.path + (reason.empty() ? "" : ": " + reason));
  }
  adapters_.push_back(loaded);
  scales_.push_back(adapter.scale);
}

llama_context* Weights::make_context(const llama_context_params& params) const {
  LlamaLibrary::take_errors();
  llama_context* context = nullptr;
  guarded([&] { context = llama().llama_init_from_model(model_, params); });
  if (!context || adapters_.empty()) return context;
  auto adapters = adapters_;
  auto scales = scales_;
  guarded([&] { llama().llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data()); });
  return context;
}

}  // namespace streaming
