#pragma once
#include <ggml-backend.h>

#include <string>
#include <vector>

namespace streaming {

class LlamaLibrary;

// ggml's back ends: libraries, one for each kind of device, loaded at run time and never unloaded. Loading one runs its
// driver's code in this process. Any thread, one at a time.

struct Device {
  ggml_backend_dev_t handle;
  std::string name;                  // ggml's, such as CUDA0; find_devices() takes it
  std::string description;           // the maker's
  std::string back_end;              // CPU, CUDA, Vulkan, MTL, RPC
  const char* type;                  // cpu, gpu, igpu (integrated), accel
  size_t memory_free, memory_total;  // bytes; 0 where the driver does not say
};

// Loads the library with the highest score on this processor, as each library rates itself, and returns its file.
// Throws Failure LIBRARY_NOT_FOUND if none runs on it.
std::string load_cpu_backend(const LlamaLibrary& library, const std::vector<std::string>& files);

// Throws Failure GPU_UNAVAILABLE with the reason that the system's loader or the driver gave.
void load_backend(const std::string& file);

// All devices of the back ends that are loaded.
std::vector<Device> devices();

// These, by name. Throws Failure GPU_UNAVAILABLE where there is none of a name.
std::vector<ggml_backend_dev_t> find_devices(const std::vector<std::string>& names);

// Multiplies two small matrices on a device, to see whether it computes, and computes right. A bad driver may end the
// process. Throws Failure GPU_UNAVAILABLE where it does not.
void try_device(const std::string& name);

}  // namespace streaming
