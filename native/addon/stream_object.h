#pragma once
#include <napi.h>

#include <memory>

#include "engine/engine.h"

namespace streaming {

class Waker;

// A job's events, as JavaScript reads them.
class StreamObject : public Napi::ObjectWrap<StreamObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit StreamObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  // If it is dropped before it has been read to its end, the job is cancelled, so that the sequence does not wait
  // forever.
  ~StreamObject() override;
  void init(std::shared_ptr<Engine> engine, std::shared_ptr<TokenStream> stream);

 private:
  Napi::Value take(const Napi::CallbackInfo& info);
  void wait(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);

  std::shared_ptr<Engine> engine_;  // the stream notifies it
  std::shared_ptr<TokenStream> stream_;
  std::shared_ptr<Waker> waker_;
};

}  // namespace streaming
