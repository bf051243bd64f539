#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "llama/llama_library.h"
#include "support/mapped_file.h"

namespace streaming {

// A model's weights as llama.cpp holds them, with the LoRA adapters that change them. Immutable, so any thread may use
// them. Freed with the last pointer to them, which must outlive all contexts made of them.
class Weights {
 public:
  struct Lora {
    std::string path;  // of a LoRA whose header lib/gguf/lora.ts has checked against the model's
    float scale;
  };
  struct LoadOptions {
    int gpu_layers = 0;
    std::vector<std::string> rpc;      // servers that take part, as `host:port`
    std::string rpc_library;           // ggml's back end for them
    std::vector<std::string> devices;  // GPUs of this machine, by their names; none: the CPU alone
    std::vector<Lora> loras;
    bool use_mmap = true;     // the file into memory, rather than read
    bool vocab_only = false;  // takes a fraction of a second, and no context can be made of it
  };
  // Called on the loading thread with 0..1; returns false to give up.
  using Progress = std::function<bool(float)>;

  // Throws Failure MODEL_LOAD_FAILED, MODEL_CHANGED, ADAPTER_INVALID, ABORTED, RPC_UNAVAILABLE, GPU_UNAVAILABLE.
  static std::shared_ptr<Weights> load(const std::string& path, const LoadOptions& options, const Progress& progress);
  ~Weights();
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  llama_model* get() const { return model_; }
  // Throws Failure MODEL_CHANGED where a file that is mapped is no longer what was loaded. A system call for each file.
  void check_unchanged() const;
  // A context with the adapters, for the caller to free; null where llama.cpp refuses, which
  // LlamaLibrary::take_errors() explains.
  llama_context* make_context(const llama_context_params& params) const;

 private:
  explicit Weights(llama_model* model) : model_(model) {}
  void add(const Lora& lora);

  llama_model* const model_;
  std::vector<llama_adapter_lora*> loras_;  // llama.cpp frees them with the model
  std::vector<float> scales_;
  std::vector<std::unique_ptr<const MappedFile>> files_;  // the parts of the model; adapters are read, not mapped
};

}  // namespace streaming
