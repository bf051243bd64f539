#pragma once
#include <napi.h>

#include <memory>

#include "engine/engine.h"

namespace streaming {

// A sequence of the engine, as JavaScript drives it.
class SequenceObject : public Napi::ObjectWrap<SequenceObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SequenceObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  ~SequenceObject() override { shut(); }
  void init(std::shared_ptr<Engine> engine, const std::shared_ptr<Model>& model, int handle);

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value fork(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { shut(); }
  void shut();
  // Throws Failure where the sequence cannot take work at the moment.
  std::shared_ptr<Model> check_idle() const;

  std::shared_ptr<Engine> engine_;
  std::weak_ptr<Model> model_;  // a sequence that was forgotten must not keep a closed model's weights
  std::shared_ptr<TokenStream> running_;
  int handle_ = -1;
};

}  // namespace streaming
