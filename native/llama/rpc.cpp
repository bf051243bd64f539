#include "llama/rpc.h"

#include <mutex>

#include "llama/catch_exceptions.h"
#include "llama/llama_library.h"
#include "support/failure.h"

namespace streaming {
namespace {

using AddServer = ggml_backend_reg_t (*)(const char* endpoint);

std::mutex& mutex = *new std::mutex;

AddServer find_add_server(const std::string& library) {
  auto* back_end = llama().ggml_backend_reg_by_name("RPC");
  if (!back_end) back_end = llama().ggml_backend_load(library.c_str());
  if (!back_end) throw Failure("RPC_UNAVAILABLE", "llama.cpp cannot load its back end for RPC, " + library);
  const auto function =
      reinterpret_cast<AddServer>(llama().ggml_backend_reg_get_proc_address(back_end, "ggml_backend_rpc_add_server"));
  if (!function) throw Failure("RPC_UNAVAILABLE", library + " cannot add servers");
  return function;
}

}  // namespace

std::vector<ggml_backend_dev_t> rpc_devices(const std::vector<std::string>& servers, const std::string& library) {
  std::vector<ggml_backend_dev_t> devices;
  if (servers.empty()) return devices;
  std::lock_guard lock(mutex);
  const auto add_server = find_add_server(library);
  for (const auto& server : servers) {
    // It remembers servers that it knows. They are not registered with ggml, or llama.cpp would use them for every
    // model.
    ggml_backend_reg_t added = nullptr;
    const auto thrown = catch_exceptions([&] { added = add_server(server.c_str()); });
    if (!added)
      throw Failure("RPC_UNAVAILABLE", "the server " + server + " offers no device" +
                                           (thrown && !thrown->empty() ? ": " + *thrown : std::string()));
    for (size_t i = 0; i < llama().ggml_backend_reg_dev_count(added); i++)
      devices.push_back(llama().ggml_backend_reg_dev_get(added, i));
  }
  return devices;
}

}  // namespace streaming
