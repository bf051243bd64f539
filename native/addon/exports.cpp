#include "addon/exports.h"

// What JavaScript sees, and nothing else: here and in the files of objects values are converted, and Failures thrown as
// Errors with a `code`. All of it runs on JavaScript's thread unless it says otherwise. lib/engine/native.ts is its
// type.
#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "addon/environment.h"
#include "addon/model_loading.h"
#include "addon/model_object.h"
#include "addon/napi_values.h"
#include "addon/sequence_object.h"
#include "addon/stream_object.h"
#include "llama/backends.h"

namespace streaming {
namespace {

Napi::Array device_objects(Napi::Env env) {
  auto objects = Napi::Array::New(env);
  for (const auto& device : devices()) {
    auto object = Napi::Object::New(env);
    object.Set("name", device.name), object.Set("description", device.description),
        object.Set("backend", device.back_end), object.Set("type", device.type);
    object.Set("memoryFree", static_cast<double>(device.memory_free)),
        object.Set("memoryTotal", static_cast<double>(device.memory_total));
    objects.Set(objects.Length(), object);
  }
  return objects;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return throwing(env, [&]() -> Napi::Value {
    const auto paths = info[0].As<Napi::Object>();
    const auto& library = LlamaLibrary::open({text(paths, "llama"), text(paths, "ggml"), text(paths, "ggmlBase"),
                                              texts(paths, "cpuBackends"), texts(paths, "accelerators")});
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
  if (here.log) here.log->close();
  here.log.reset();
  if (!info[0].IsFunction()) return;
  here.log = JavaScriptThread::make(env, "streaming-llm log");
  here.log->unref(env);  // listening keeps no process alive
  // Lines may still be on their way when another listener takes over, or none: the function goes with JavaScript's
  // thread.
  auto listener = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[0].As<Napi::Function>()));
  here.log->at_end([listener] { listener->Reset(); });
  LlamaLibrary::listen(&here, [log = here.log, listener](int level, const char* line) {
    log->post([listener, level, text = std::string(line)](Napi::Env at_call) {
      if (!listener->IsEmpty()) listener->Call({Napi::Number::New(at_call, level), Napi::String::New(at_call, text)});
    });
  });
}

}  // namespace

Napi::Object define_exports(Napi::Env env, Napi::Object exports) {
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
  return exports;
}

}  // namespace streaming
