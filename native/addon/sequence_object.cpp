#include "addon/sequence_object.h"

#include "addon/environment.h"
#include "addon/napi_values.h"
#include "addon/read_options.h"
#include "addon/stream_object.h"

namespace streaming {

Napi::Function SequenceObject::define(Napi::Env env) {
  return DefineClass(env, "NativeSequence",
                     {InstanceMethod<&SequenceObject::start>("start"), InstanceMethod<&SequenceObject::fork>("fork"),
                      InstanceMethod<&SequenceObject::close>("close")});
}

void SequenceObject::init(std::shared_ptr<Engine> engine, const std::shared_ptr<Model>& model, int handle) {
  engine_ = std::move(engine);
  model_ = model;
  handle_ = handle;
}

std::shared_ptr<Model> SequenceObject::check_idle() const {
  const auto model = model_.lock();
  if (!engine_ || !model) throw Failure("CLOSED", engine_ ? "the model is closed" : "the sequence is closed");
  if (running_ && !running_->closed()) throw Failure("BUSY", "the sequence is still at work on something else");
  return model;
}

Napi::Value SequenceObject::start(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return throwing(env, [&]() -> Napi::Value {
    const auto model = check_idle();
    Job job = read_job(info[0].As<Napi::Object>(), *model);
    running_ = job.stream = engine_->make_stream();
    const auto object = environment(env).stream.New({});
    StreamObject::Unwrap(object)->init(engine_, running_);
    engine_->start(handle_, std::move(job));
    return object;
  });
}

Napi::Value SequenceObject::fork(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return throwing(env, [&]() -> Napi::Value {
    const auto model = check_idle();
    const auto object = environment(env).sequence.New({});
    SequenceObject::Unwrap(object)->init(engine_, model, engine_->fork(handle_));
    return object;
  });
}

void SequenceObject::shut() {
  if (engine_) engine_->close(handle_);
  engine_.reset();
}

}  // namespace streaming
