#include "llama/weights.h"

#include <cstdio>
#include <regex>

#include "llama/backends.h"
#include "llama/catch_exceptions.h"
#include "llama/rpc.h"
#include "support/failure.h"

namespace streaming {
namespace {

// Of a model in several files, all: `name-00001-of-00003.gguf` and so on, as llama.cpp finds them.
std::vector<std::string> parts_of(const std::string& path) {
  static const std::regex pattern("-(\\d{5})-of-(\\d{5})\\.gguf$");
  std::smatch match;
  // The name alone: std::regex calls itself for each character.
  const std::string name = path.size() > 64 ? path.substr(path.size() - 64) : path;
  if (!std::regex_search(name, match, pattern)) return {path};
  const std::string stem = path.substr(0, path.size() - static_cast<size_t>(match.length(0)));
  std::vector<std::string> paths;
  for (int part = 1, count = std::stoi(match[2]); part <= count; part++) {
    char number[16];
    std::snprintf(number, sizeof number, "-%05d-of-", part);
    paths.push_back(stem + number + match[2].str() + ".gguf");
  }
  return paths;
}

}  // namespace

std::shared_ptr<Weights> Weights::load(const std::string& path, const LoadOptions& options, const Progress& progress) {
  auto params = llama().llama_model_default_params();
  params.n_gpu_layers = options.gpu_layers;
  // Servers first, then the GPUs of this machine, as llama.cpp's own programs do it.
  auto devices = rpc_devices(options.rpc, options.rpc_library);
  for (const auto device : find_devices(options.devices)) devices.push_back(device);
  devices.push_back(nullptr);
  params.devices = devices.data();
  params.vocab_only = options.vocab_only;
  if (!options.use_mmap) params.load_mode = LLAMA_LOAD_MODE_NONE;
  std::vector<std::unique_ptr<const MappedFile>> files;
  if (options.use_mmap && !options.vocab_only) {
    for (const auto& part : parts_of(path)) files.push_back(std::make_unique<const MappedFile>(part));
  }
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
  const auto thrown = catch_exceptions([&] { loaded = llama().llama_model_load_from_file(path.c_str(), params); });
  if (!loaded) {
    if (given_up) throw Failure("ABORTED", "loading " + path + " was aborted");
    const std::string reason = thrown ? *thrown : LlamaLibrary::take_errors();
    throw Failure("MODEL_LOAD_FAILED", "llama.cpp cannot load " + path + (reason.empty() ? "" : ": " + reason));
  }
  const std::shared_ptr<Weights> weights(new Weights(loaded));
  weights->files_ = std::move(files);
  for (const auto& lora : options.loras) weights->add(lora);
  weights->check_unchanged();
  return weights;
}

Weights::~Weights() { llama().llama_model_free(model_); }

void Weights::check_unchanged() const {
  for (const auto& file : files_) {
    if (!file->changed()) continue;
    throw Failure("MODEL_CHANGED", file->path() +
                                       " has changed since it was loaded, and the weights are read from it while they "
                                       "are used; close the model and load it "
                                       "again, or load it with mmap: false, which keeps a copy");
  }
}

void Weights::add(const Lora& lora) {
  LlamaLibrary::take_errors();
  llama_adapter_lora* loaded = nullptr;
  const auto thrown = catch_exceptions([&] { loaded = llama().llama_adapter_lora_init(model_, lora.path.c_str()); });
  if (!loaded) {
    const std::string reason = thrown ? *thrown : LlamaLibrary::take_errors();
    // Where a GPU has no room for it, fewer of the model's layers may go there.
    const bool no_memory = reason.find("failed to allocate") != std::string::npos;
    throw Failure(no_memory ? "MODEL_LOAD_FAILED" : "ADAPTER_INVALID",
                  "llama.cpp cannot load the adapter " + lora.path + (reason.empty() ? "" : ": " + reason));
  }
  loras_.push_back(loaded);
  scales_.push_back(lora.scale);
}

llama_context* Weights::make_context(const llama_context_params& params) const {
  LlamaLibrary::take_errors();
  llama_context* context = nullptr;
  catch_exceptions([&] { context = llama().llama_init_from_model(model_, params); });
  if (!context || loras_.empty()) return context;
  auto loras = loras_;
  auto scales = scales_;
  catch_exceptions([&] { llama().llama_set_adapters_lora(context, loras.data(), loras.size(), scales.data()); });
  return context;
}

}  // namespace streaming
