#pragma once
#include <napi.h>

#include <memory>

#include "embedder/embedder.h"
#include "engine/engine.h"

namespace streaming {

// A loaded model with its engine and its embedder, as JavaScript drives them.
class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  void init(std::shared_ptr<Model> model, const ContextOptions& options);

 private:
  void check_open() const;
  Napi::Value info(const Napi::CallbackInfo& call);
  Napi::Value cells(const Napi::CallbackInfo& call);
  Napi::Value loaded(const Napi::CallbackInfo& call);
  Napi::Value open_sequence(const Napi::CallbackInfo& call);
  Napi::Value tokenize(const Napi::CallbackInfo& call);
  Napi::Value tokenize_later(const Napi::CallbackInfo& call);
  Napi::Value detokenize(const Napi::CallbackInfo& call);
  Napi::Value impossible_trigger(const Napi::CallbackInfo& call);
  Napi::Value embed(const Napi::CallbackInfo& call);
  Napi::Value release_embedder(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);

  std::shared_ptr<Model> model_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Embedder> embedder_;
};

}  // namespace streaming
