// Does a device compute, and right? See backends.h.
#include <cmath>
#include <vector>

#include "llama/backends.h"
#include "llama/catch_exceptions.h"
#include "llama/llama_library.h"
#include "support/failure.h"

namespace streaming {
namespace {

constexpr int kSize = 64;

// Of row i and column j; small whole numbers, which every device can add up exactly.
float left(int i, int j) { return static_cast<float>((i * 7 + j * 3) % 5 - 2); }
float right(int i, int j) { return static_cast<float>((i * 5 + j * 2) % 7 - 3); }

// Owned until the end of the trial, whatever happens.
struct Trial {
  ggml_backend_t backend = nullptr;
  ggml_context* context = nullptr;
  ggml_backend_buffer_t buffer = nullptr;
  ~Trial() {
    if (buffer) llama().ggml_backend_buffer_free(buffer);
    if (context) llama().ggml_free(context);
    if (backend) llama().ggml_backend_free(backend);
  }
};

void fail(const std::string& name, const std::string& what) {
  const auto reason = LlamaLibrary::take_errors();
  throw Failure("GPU_UNAVAILABLE", name + " " + what + (reason.empty() ? "" : ": " + reason));
}

void multiply(const std::string& name) {
  Trial trial;
  trial.backend = llama().ggml_backend_dev_init(find_devices({name}).front(), nullptr);
  if (!trial.backend) fail(name, "could not be opened");
  trial.context =
      llama().ggml_init({llama().ggml_tensor_overhead() * 8 + llama().ggml_graph_overhead(), nullptr, true});
  auto* const a = llama().ggml_new_tensor_2d(trial.context, GGML_TYPE_F32, kSize, kSize);
  auto* const b = llama().ggml_new_tensor_2d(trial.context, GGML_TYPE_F32, kSize, kSize);
  auto* const product = llama().ggml_mul_mat(trial.context, a, b);  // of each row of b with each row of a
  auto* const graph = llama().ggml_new_graph(trial.context);
  llama().ggml_build_forward_expand(graph, product);
  trial.buffer = llama().ggml_backend_alloc_ctx_tensors(trial.context, trial.backend);
  if (!trial.buffer) fail(name, "has no memory");
  std::vector<float> values(kSize * kSize);
  for (int i = 0; i < kSize * kSize; i++) values[static_cast<size_t>(i)] = left(i / kSize, i % kSize);
  llama().ggml_backend_tensor_set(a, values.data(), 0, values.size() * sizeof(float));
  for (int i = 0; i < kSize * kSize; i++) values[static_cast<size_t>(i)] = right(i / kSize, i % kSize);
  llama().ggml_backend_tensor_set(b, values.data(), 0, values.size() * sizeof(float));
  if (llama().ggml_backend_graph_compute(trial.backend, graph) != GGML_STATUS_SUCCESS) fail(name, "could not compute");
  llama().ggml_backend_tensor_get(product, values.data(), 0, values.size() * sizeof(float));
  for (int row = 0; row < kSize; row++) {
    for (int column = 0; column < kSize; column++) {
      float expected = 0;
      for (int k = 0; k < kSize; k++) expected += right(row, k) * left(column, k);
      if (!(std::fabs(values[static_cast<size_t>(row * kSize + column)] - expected) < 0.5f))
        fail(name, "computed something wrong");
    }
  }
}

}  // namespace

void try_device(const std::string& name) {
  LlamaLibrary::take_errors();
  std::optional<Failure> failure;
  const auto thrown = catch_exceptions([&] {
    try {
      multiply(name);
    } catch (const Failure& caught) {
      failure = caught;
    }
  });
  if (failure) throw *failure;
  if (thrown) throw Failure("GPU_UNAVAILABLE", name + " failed: " + *thrown);
}

}  // namespace streaming
