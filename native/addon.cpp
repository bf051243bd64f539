// What JavaScript sees, and nothing else: here and in the files of objects values are converted, and Failures thrown as
// Errors with a `code`. All of it runs on JavaScript's thread unless it says otherwise. lib/native.ts is its type.
#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "backends.h"
#include "environment.h"
#include "model_loading.h"
#include "model_object.h"
#include "napi_values.h"
#include "sequence_object.h"
#include "stream_object.h"
#include "test_objects.h"

namespace streaming {
namespace {

Napi::Array device_objects(Napi::Env env) {
  auto objects = Napi::Array::New(env);
  for (const auto& device : devices()) {
    auto object = Napi::Object::New(env);
    object.Set("name", device.name), object.Set("description", device.description), object.Set("backend", device.back_end), object.Set("type", device.type);
    object.Set("memoryFree", static_cast<double>(device.memory_free)), object.Set("memoryTotal", static_cast<double>(device.memory_total));
    objects.Set(objects.Length(), object);
  }
  return objects;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return throwing(env, [&]() -> Napi::Value {
    const auto paths = info[0].As<Napi::Object>();
    const auto& library = LlamaLibrary::open({text(paths, "llama"), text(paths, "ggml"), text(paths, "ggmlBase"), texts(paths, "cpuBackends"), texts(paths, "accelerators")});
    auto result = Napi::Object::New(env);
    result.Set("version", library.llama_version());
    result.Set("cpuBackend", library.cpu_backend());
    result.Set("devices", device_objects(env));
    return result;
  });
}

// What follows is called once open() has returned.

Napi::Value list_devices(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value { return device_objects(info.Env()); });
}

Napi::Value load_backend_file(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value {
    load_backend(info[0].ToString().Utf8Value());
    return device_objects(info.Env());
  });
}

Napi::Value try_one_device(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value {
    try_device(info[0].ToString().Utf8Value());
    return info.Env().Undefined();
  });
}

void set_log(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto& here = environment(env);
  LlamaLibrary::listen(&here, nullptr);
  if (here.log) here.log.Release();
  here.log = Napi::ThreadSafeFunction();
  if (!info[0].IsFunction()) return;
  here.log = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "streaming-llm log", 0, 1);
  here.log.Unref(env);  // listening keeps no process alive
  LlamaLibrary::listen(&here, [log = here.log](int level, const char* line) {
    auto* copy = new std::pair<int, std::string>(level, line);
    const auto status = log.NonBlockingCall(copy, [](Napi::Env env, Napi::Function callback, std::pair<int, std::string>* entry) {
      const std::unique_ptr<std::pair<int, std::string>> owned(entry);
      if (!env) return;
      try {
        callback.Call({Napi::Number::New(env, owned->first), Napi::String::New(env, owned->second)});
      } catch (const Napi::Error&) {
        // As above; and what a listener of the log throws must not end the process.
      }
    });
    if (status != napi_ok) delete copy;
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* here = new Environment();
  here->model = Napi::Persistent(ModelObject::define(env));
  here->sequence = Napi::Persistent(SequenceObject::define(env));
  here->stream = Napi::Persistent(StreamObject::define(env));
  env.SetInstanceData(here);
  exports.Set("open", Napi::Function::New(env, open));
  exports.Set("devices", Napi::Function::New(env, list_devices));
  exports.Set("loadBackend", Napi::Function::New(env, load_backend_file));
  exports.Set("tryDevice", Napi::Function::New(env, try_one_device));
  exports.Set("setLog", Napi::Function::New(env, set_log));
  exports.Set("load", Napi::Function::New(env, load_model));
  define_test_objects(env, exports);
  return exports;
}

NODE_API_MODULE(streaming_llm, initialize)

}  // namespace
}  // namespace streaming
