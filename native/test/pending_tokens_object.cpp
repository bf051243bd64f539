#include "test/pending_tokens_object.h"

#include "addon/napi_values.h"
#include "engine/pending_tokens.h"

namespace streaming {
namespace {

class PendingTokensObject : public Napi::ObjectWrap<PendingTokensObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = PendingTokensObject;
    return DefineClass(env, "PendingTokens",
                       {InstanceMethod<&Self::add>("add"), InstanceMethod<&Self::decoded>("decoded"),
                        InstanceMethod<&Self::drop_last>("dropLast"), InstanceMethod<&Self::rolled_back>("rolledBack"),
                        InstanceMethod<&Self::replay>("replay"), InstanceMethod<&Self::cache_is_empty>("cacheIsEmpty"),
                        InstanceMethod<&Self::requeue>("requeue"), InstanceMethod<&Self::state>("state")});
  }
  explicit PendingTokensObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  void add(const Napi::CallbackInfo& info) { pending_.add(info[0].ToNumber().Int32Value()); }
  Napi::Value decoded(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), pending_.decoded(info[0].ToNumber().Int32Value()));
  }
  void drop_last(const Napi::CallbackInfo& info) { pending_.drop_last(info[0].ToNumber().Uint32Value()); }
  void rolled_back(const Napi::CallbackInfo& info) { pending_.rolled_back(info[0].ToNumber().Int32Value()); }
  void replay(const Napi::CallbackInfo& info) { pending_.replay(tokens(info[0]), info[1].ToNumber().Int32Value()); }
  void cache_is_empty(const Napi::CallbackInfo&) { pending_.cache_is_empty(); }
  void requeue(const Napi::CallbackInfo& info) {
    pending_.requeue(tokens(info[0]), info[1].ToNumber().Uint32Value(), info[2].ToBoolean(),
                     info[3].ToNumber().Uint32Value());
  }
  Napi::Value state(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    auto object = Napi::Object::New(env);
    object.Set("tokens", to_array(env, std::vector<Token>(pending_.begin(), pending_.end())));
    object.Set("rebasing", pending_.rebasing()), object.Set("replaying", pending_.replaying());
    object.Set("decodable", pending_.decodable(static_cast<int>(pending_.size())));
    object.Set("known", static_cast<double>(pending_.counts().known));
    return object;
  }

  PendingTokens pending_;
};

}  // namespace

Napi::Function define_pending_tokens(Napi::Env env) { return PendingTokensObject::define(env); }

}  // namespace streaming
