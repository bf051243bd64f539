#include "speculation_objects.h"

#include "napi_values.h"
#include "speculation.h"

namespace streaming {
namespace {

class NgramIndexObject : public Napi::ObjectWrap<NgramIndexObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NgramIndex",
                       {InstanceMethod<&NgramIndexObject::append>("append"), InstanceMethod<&NgramIndexObject::remove>("remove"),
                        InstanceMethod<&NgramIndexObject::propose>("propose"), InstanceMethod<&NgramIndexObject::last>("last")});
  }
  explicit NgramIndexObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  void append(const Napi::CallbackInfo& info) {
    for (const Token token : tokens(info[0])) index_.append(token);
  }
  void remove(const Napi::CallbackInfo& info) { index_.remove(info[0].ToNumber().Int64Value()); }
  Napi::Value propose(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto match = index_.find();
    std::vector<Token> proposed(match.length > 0 ? info[0].ToNumber().Uint32Value() : 0);
    index_.copy(match, static_cast<int>(proposed.size()), proposed.data());
    auto object = Napi::Object::New(env);
    object.Set("matched", match.length), object.Set("next", static_cast<double>(match.next)), object.Set("tokens", to_array(env, proposed));
    return object;
  }
  Napi::Value last(const Napi::CallbackInfo& info) { return to_array(info.Env(), index_.last(info[0].ToNumber().Int64Value())); }

  NgramIndex index_;
};

class DraftLengthObject : public Napi::ObjectWrap<DraftLengthObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "DraftLength",
                       {InstanceMethod<&DraftLengthObject::took>("took"), InstanceMethod<&DraftLengthObject::learn>("learn"),
                        InstanceMethod<&DraftLengthObject::estimate>("estimate"), InstanceMethod<&DraftLengthObject::rate>("rate"),
                        InstanceMethod<&DraftLengthObject::choose>("choose")});
  }
  explicit DraftLengthObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  void took(const Napi::CallbackInfo& info) { cost_.took(info[0].ToNumber().Int32Value(), info[1].ToNumber().DoubleValue()); }
  void learn(const Napi::CallbackInfo& info) { acceptance_.learn(info[0].ToNumber().Int32Value(), info[1].ToBoolean()); }
  Napi::Value estimate(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), cost_.estimate(info[0].ToNumber().Int32Value())); }
  Napi::Value rate(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), acceptance_.rate(info[0].ToNumber().Int32Value())); }
  Napi::Value choose(const Napi::CallbackInfo& info) {
    const auto argument = [&](size_t i) { return info[i].ToNumber().Int32Value(); };
    return Napi::Number::New(info.Env(), choose_draft_length(acceptance_, cost_, argument(0), argument(1), argument(2)));
  }

  BatchCost cost_;
  Acceptance acceptance_;
};

}  // namespace

void define_speculation_objects(Napi::Env env, Napi::Object exports) {
  exports.Set("NgramIndex", NgramIndexObject::define(env));
  exports.Set("DraftLength", DraftLengthObject::define(env));
}

}  // namespace streaming
