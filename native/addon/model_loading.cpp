#include "addon/model_loading.h"

#include <atomic>
#include <memory>

#include "addon/environment.h"
#include "addon/javascript_thread.h"
#include "addon/model_object.h"
#include "addon/napi_values.h"
#include "addon/read_options.h"

namespace streaming {
namespace {

// Loads on a thread of libuv's pool and tells JavaScript how far it is.
class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, std::string path, Weights::LoadOptions where, const ContextOptions& options,
             Napi::Function progress, std::shared_ptr<std::atomic<bool>> aborted)
      : AsyncWorker(env),
        deferred(env),
        path_(std::move(path)),
        where_(std::move(where)),
        options_(options),
        progress_(std::make_shared<Napi::FunctionReference>(Napi::Persistent(progress))),
        thread_(JavaScriptThread::make(env, "streaming-llm load")),
        aborted_(std::move(aborted)) {
    // A worker that is being terminated waits for what its environment has begun.
    thread_->at_end([aborted = aborted_] { *aborted = true; });
  }
  // JavaScript's thread, as for all of libuv's work. What is still on its way finds no function any more.
  ~LoadWorker() override {
    progress_->Reset();
    thread_->close();
  }
  void Execute() override {
    float reported = 0;
    try {
      model_ = Model::load(path_, where_, options_.unload_after_ms > 0, [&](float done) {
        if (done - reported >= 0.01f || done == 1.0f) report(done), reported = done;
        return !*aborted_;
      });
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred.Reject(to_error(Env(), *failure_).Value());
      return;
    }
    const auto object = environment(Env()).model.New({});
    ModelObject::Unwrap(object)->init(std::move(model_), options_);
    deferred.Resolve(object);
  }
  Napi::Promise::Deferred deferred;

 private:
  void report(float done) {
    thread_->post([progress = progress_, done](Napi::Env env) {
      if (!progress->IsEmpty()) progress->Call({Napi::Number::New(env, done)});
    });
  }
  std::string path_;
  Weights::LoadOptions where_;
  ContextOptions options_;
  const std::shared_ptr<Napi::FunctionReference> progress_;
  const std::shared_ptr<JavaScriptThread> thread_;
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
  if (options.Has("mmap")) where.use_mmap = options.Get("mmap").ToBoolean();
  where.devices = texts(options, "devices");
  if (options.Has("rpc")) {
    where.rpc = texts(options, "rpc");
    where.rpc_library = text(options, "rpcLibrary");
  }
  if (const auto loras = options.Get("adapters"); loras.IsArray()) {
    const auto list = loras.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
      const auto lora = list.Get(i).As<Napi::Object>();
      where.loras.push_back({text(lora, "path"), static_cast<float>(number(lora, "scale"))});
    }
  }
  const auto context_options = throwing(env, [&] { return read_context_options(options); });
  auto* worker = new LoadWorker(env, info[0].ToString().Utf8Value(), std::move(where), context_options,
                                info[2].As<Napi::Function>(), aborted);
  auto result = Napi::Object::New(env);
  result.Set("promise", worker->deferred.Promise());
  result.Set("abort", Napi::Function::New(env, [aborted](const Napi::CallbackInfo&) { *aborted = true; }));
  worker->Queue();
  return result;
}

}  // namespace streaming
