#pragma once
#include <napi.h>

#include <memory>

#include "addon/javascript_thread.h"
#include "llama/llama_library.h"

namespace streaming {

// The constructors and the listener of one JavaScript environment: the main thread's, or a worker's.
struct Environment {
  Napi::FunctionReference model, sequence, stream;
  std::shared_ptr<JavaScriptThread> log;  // null: there is no listener
  ~Environment() { LlamaLibrary::listen(this, nullptr); }
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace streaming
