#include "llama/backends.h"

#include <mutex>

#include "llama/catch_exceptions.h"
#include "llama/llama_library.h"
#include "llama/shared_library.h"
#include "support/failure.h"

namespace streaming {
namespace {

std::mutex& mutex = *new std::mutex;

// What a library of a CPU back end says of itself: 0 where this processor lacks something that it needs.
int score_of(const std::string& file) {
  const SharedLibrary library(file);
  const auto score = reinterpret_cast<int (*)()>(library.find("ggml_backend_score"));
  return score ? score() : 1;
}

}  // namespace

std::string load_cpu_backend(const LlamaLibrary& library, const std::vector<std::string>& files) {
  std::string best;
  int best_score = 0;
  std::string reasons;
  for (const auto& file : files) {
    try {
      const int score = score_of(file);
      if (score > best_score) best_score = score, best = file;
    } catch (const Failure& failure) {
      reasons += std::string("\n- ") + failure.what();
    }
  }
  LlamaLibrary::take_errors();
  if (!best.empty() && library.ggml_backend_load(best.c_str())) return best;
  if (!best.empty()) reasons += "\n- " + LlamaLibrary::take_errors();
  throw Failure("LIBRARY_NOT_FOUND", "none of llama.cpp's " + std::to_string(files.size()) +
                                         " back ends for processors runs on this one" + reasons +
                                         "\nnpx streaming-llm build --native makes libraries for it");
}

void load_backend(const std::string& file) {
  std::lock_guard lock(mutex);
  LlamaLibrary::take_errors();
  ggml_backend_reg_t loaded = nullptr;
  const auto thrown = catch_exceptions([&] { loaded = llama().ggml_backend_load(file.c_str()); });
  if (loaded) return;
  std::string reason = thrown && !thrown->empty() ? *thrown : LlamaLibrary::take_errors();
  // ggml's own words do not always have the loader's.
  if (reason.find("cannot open") == std::string::npos) {
    try {
      const SharedLibrary library(file);
    } catch (const Failure& failure) {
      reason = failure.what();
    }
  }
  throw Failure("GPU_UNAVAILABLE", reason.empty() ? "llama.cpp cannot use " + file : reason);
}

std::vector<Device> devices() {
  static constexpr const char* types[] = {"cpu", "gpu", "igpu", "accel"};
  std::vector<Device> found;
  for (size_t i = 0; i < llama().ggml_backend_dev_count(); i++) {
    const auto handle = llama().ggml_backend_dev_get(i);
    const auto type = static_cast<size_t>(llama().ggml_backend_dev_type(handle));
    Device device{handle,
                  llama().ggml_backend_dev_name(handle),
                  llama().ggml_backend_dev_description(handle),
                  llama().ggml_backend_reg_name(llama().ggml_backend_dev_backend_reg(handle)),
                  type < 4 ? types[type] : "accel",
                  0,
                  0};
    llama().ggml_backend_dev_memory(handle, &device.memory_free, &device.memory_total);
    found.push_back(std::move(device));
  }
  return found;
}

std::vector<ggml_backend_dev_t> find_devices(const std::vector<std::string>& names) {
  std::vector<ggml_backend_dev_t> found;
  for (const auto& name : names) {
    const auto device = llama().ggml_backend_dev_by_name(name.c_str());
    if (!device) throw Failure("GPU_UNAVAILABLE", "there is no device " + name + " in this process");
    found.push_back(device);
  }
  return found;
}

}  // namespace streaming
