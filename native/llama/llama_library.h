#pragma once
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>

#include <functional>
#include <string>
#include <vector>

// One set of llama.cpp's shared libraries, opened at run time. The functions' types come from the real headers
// (native/include/llama.cpp, v0.4.0); their addresses from the libraries. Nothing of llama.cpp is linked, so the
// same addon serves the CPU, Metal, CUDA and Vulkan builds.
// clang-format off
#define LLAMA_FUNCTIONS(X)                                                                                          \
  X(llama_backend_init) X(llama_log_set) X(llama_version) X(llama_model_default_params)                            \
  X(llama_context_default_params) X(llama_sampler_chain_default_params) X(llama_model_load_from_file)              \
  X(llama_model_free) X(llama_init_from_model) X(llama_free) X(llama_n_ctx)                       \
  X(llama_model_get_vocab) X(llama_model_n_ctx_train) X(llama_model_n_swa) X(llama_model_rope_type)                \
  X(llama_model_n_layer) X(llama_model_size) X(llama_model_n_params) X(llama_model_desc)                           \
  X(llama_model_chat_template) X(llama_model_has_encoder) X(llama_model_has_decoder)   \
  X(llama_model_is_recurrent) X(llama_model_is_hybrid) X(llama_model_is_diffusion) X(llama_vocab_type)             \
  X(llama_vocab_n_tokens) X(llama_vocab_get_text) X(llama_vocab_get_attr) X(llama_vocab_is_eog)                    \
  X(llama_vocab_bos) X(llama_vocab_eos) X(llama_vocab_get_add_bos) X(llama_vocab_get_suppress_tokens)              \
  X(llama_tokenize) X(llama_token_to_piece) X(llama_detokenize) X(llama_decode) X(llama_get_logits_ith)            \
  X(llama_attach_threadpool) X(llama_set_n_threads)                                                                 \
  X(llama_get_memory) X(llama_memory_seq_rm) X(llama_memory_seq_cp)                    \
  X(llama_memory_seq_pos_min) X(llama_memory_seq_pos_max) X(llama_state_seq_get_size) X(llama_state_seq_get_size_ext) X(llama_state_seq_get_data)  \
  X(llama_state_seq_set_data) X(llama_sampler_chain_init) X(llama_sampler_chain_add) X(llama_sampler_apply)        \
  X(llama_sampler_accept) X(llama_sampler_reset) X(llama_sampler_free) X(llama_sampler_init_dist)                  \
  X(llama_sampler_init_top_k) X(llama_sampler_init_top_p) X(llama_sampler_init_min_p)                              \
  X(llama_sampler_init_typical) X(llama_sampler_init_penalties)                                                    \
  X(llama_sampler_init_dry) X(llama_sampler_init_logit_bias) X(llama_sampler_init_top_n_sigma)                      \
  X(llama_sampler_init_xtc) X(llama_sampler_init_temp_ext)                         \
  X(llama_sampler_init_mirostat_v2) X(llama_sampler_init_adaptive_p) X(llama_adapter_lora_init)      \
  X(llama_set_adapters_lora)                                                                                       \
  X(llama_vocab_get_add_eos) X(llama_model_n_embd_out) X(llama_get_embeddings_ith)                   \
  X(llama_vocab_fim_pre) X(llama_vocab_fim_suf) X(llama_vocab_fim_mid) X(llama_model_meta_val_str)
#define GGML_FUNCTIONS(X)                                                                                           \
  X(ggml_backend_dev_count) X(ggml_backend_dev_get) X(ggml_backend_dev_by_name) X(ggml_backend_load)               \
  X(ggml_backend_reg_by_name)
#define GGML_BASE_FUNCTIONS(X)                                                                                      \
  X(ggml_backend_dev_description) X(ggml_backend_dev_type) X(ggml_backend_dev_backend_reg)                         \
  X(ggml_backend_reg_get_proc_address) X(ggml_threadpool_params_default)                                           \
  X(ggml_backend_reg_dev_count) X(ggml_backend_reg_dev_get) X(ggml_backend_reg_name) X(ggml_backend_dev_name)      \
  X(ggml_backend_dev_memory) X(ggml_backend_dev_init) X(ggml_backend_free) X(ggml_backend_alloc_ctx_tensors)       \
  X(ggml_backend_buffer_free) X(ggml_backend_tensor_set) X(ggml_backend_tensor_get) X(ggml_backend_graph_compute)  \
  X(ggml_init) X(ggml_free) X(ggml_tensor_overhead) X(ggml_graph_overhead) X(ggml_new_tensor_2d) X(ggml_mul_mat)   \
  X(ggml_new_graph) X(ggml_build_forward_expand) X(ggml_set_abort_callback)
// clang-format on

namespace streaming {

class LlamaLibrary {
 public:
  struct Paths {
    std::string llama, ggml, ggml_base;
    std::vector<std::string> cpu_backends;  // for different processors: the best is taken
    std::vector<std::string> accelerators;  // more back ends for processors; those that do not run here are left out
  };
  using Log = std::function<void(int level, const char* text)>;

  // Opens the libraries at the first call and returns the same set ever after, whichever thread or worker asks: two
  // copies of ggml in one process are never loaded. Throws Failure LIBRARY_NOT_FOUND, LIBRARY_MISMATCH, the latter also
  // if another set than the open one is asked for.
  static const LlamaLibrary& open(const Paths& paths);
  // The opened set; only to be called once open() has returned.
  static const LlamaLibrary& get();

  // A function of llama.cpp's library that is not in the table above, for programs beside the package that need more
  // of it. Throws Failure LIBRARY_MISMATCH where the library has none of this name.
  static void* symbol(const char* name);

  // Where llama.cpp's log goes: nowhere until a listener is set. Called on any thread; null removes it.
  static void listen(const void* owner, Log log);
  // The error lines that llama.cpp has logged on this thread since the last call: the reason for a failure.
  static std::string take_errors();

#define X(function) decltype(&::function) function = nullptr;
  LLAMA_FUNCTIONS(X)
  GGML_FUNCTIONS(X)
  GGML_BASE_FUNCTIONS(X)
#undef X

  // The file of the back end for this processor.
  const std::string& cpu_backend() const { return cpu_backend_; }

 private:
  explicit LlamaLibrary(const Paths& paths);
  std::string path_, cpu_backend_;
  void* handle_;
};

// Shorthand on the way to every call: llama().llama_decode(...).
inline const LlamaLibrary& llama() { return LlamaLibrary::get(); }

}  // namespace streaming
