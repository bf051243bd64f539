#pragma once
#include <ggml-backend.h>

#include <string>
#include <vector>

namespace streaming {

// The devices of RPC servers (`host:port`), in the servers' order, for a model to be spread over. `library` is the file
// of ggml's back end for them, loaded at the first call. llama.cpp's libraries must have been opened. Connects, so it
// takes as long as the network does. llama.cpp ends the process if a server does not answer as it should, so
// lib/backend/rpc.ts checks the servers before. A server's devices belong to ggml and stay for the life of the process.
// Any thread. Throws Failure RPC_UNAVAILABLE.
std::vector<ggml_backend_dev_t> rpc_devices(const std::vector<std::string>& servers, const std::string& library);

}  // namespace streaming
