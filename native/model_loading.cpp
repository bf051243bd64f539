#include "model_loading.h"

#include <atomic>
#include <memory>

#include "environment.h"
#include "model_object.h"
#include "napi_values.h"
#include "read_options.h"

namespace streaming {
namespace {

// Loads on a thread of libuv's pool and tells JavaScript how far it is.
class LoadWorker : public Napi::AsyncProgressWorker<float> {
 public:
  LoadWorker(Napi::Env env, std::string path, Weights::LoadOptions where, const ContextOptions& options, Napi::Function progress, std::shared_ptr<std::atomic<bool>> aborted)
      : AsyncProgressWorker(env), deferred(env), path_(std::move(path)), where_(std::move(where)), options_(options), progress_(Napi::Persistent(progress)), aborted_(std::move(aborted)) {}
  void Execute(const ExecutionProgress& progress) override {
    float told = 0;
    try {
      model_ = Model::load(path_, where_, options_.unload_after_ms > 0, [&](float done) {
        if (done - told >= 0.01f || done == 1.0f) progress.Send(&done, 1), told = done;
        return !*aborted_;
      });
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    }
  }
  void OnProgress(const float* done, size_t count) override {
    try {
      if (count > 0) progress_.Call({Napi::Number::New(Env(), done[count - 1])});
    } catch (const Napi::Error&) {
      // What a progress bar throws does not stop the loading.
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred.Reject(to_error(Env(), *failure_).Value());
      return;
    }
    const auto object = environment(Env()).model.New({});
    ModelObject::Unwrap(object)->adopt(std::move(model_), options_);
    deferred.Resolve(object);
  }
  Napi::Promise::Deferred deferred;

 private:
  std::string path_;
  Weights::LoadOptions where_;
  ContextOptions options_;
  Napi::FunctionReference progress_;
  std::shared_ptr<std::atomic<bool>> aborted_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Failure> failure_;
};

}  // namespace

Napi::Value load_model(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto options = info[1].As<Napi::Object>();
  auto aborted = std::make_shared<std::atomic<bool>>(false);
  Weights::LoadOptions where;
  where.gpu_layers = integer(options, "gpuLayers");
  where.devices = texts(options, "devices");
  if (options.Has("rpc")) {
    where.rpc = texts(options, "rpc");
    where.rpc_library = text(options, "rpcLibrary");
  }
  if (const auto adapters = options.Get("adapters"); adapters.IsArray()) {
    const auto list = adapters.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
      const auto adapter = list.Get(i).As<Napi::Object>();
      where.adapters.push_back({text(adapter, "path"), static_cast<float>(number(adapter, "scale"))});
    }
  }
  auto* worker = new LoadWorker(env, info[0].ToString().Utf8Value(), std::move(where), read_context_options(options), info[2].As<Napi::Function>(), aborted);
  auto result = Napi::Object::New(env);
  result.Set("promise", worker->deferred.Promise());
  result.Set("abort", Napi::Function::New(env, [aborted](const Napi::CallbackInfo&) { *aborted = true; }));
  worker->Queue();
  return result;
}

}  // namespace streaming
