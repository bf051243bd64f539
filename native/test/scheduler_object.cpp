#include "test/scheduler_object.h"

#include "addon/napi_values.h"
#include "engine/scheduler.h"
#include "test/cached_tokens_object.h"

namespace streaming {
namespace {

class SchedulerObject : public Napi::ObjectWrap<SchedulerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = SchedulerObject;
    return DefineClass(env, "Scheduler",
                       {InstanceMethod<&Self::order>("order"), InstanceMethod<&Self::begin_prompts>("beginPrompts"),
                        InstanceMethod<&Self::next_step>("nextStep"), InstanceMethod<&Self::end_round>("endRound"),
                        InstanceMethod<&Self::observe>("observe")});
  }
  explicit SchedulerObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), scheduler_(info[0].ToNumber().Int32Value()) {}

 private:
  Napi::Value order(const Napi::CallbackInfo& info) { return to_array(info.Env(), scheduler_.order(tokens(info[0]))); }
  void begin_prompts(const Napi::CallbackInfo& info) {
    scheduler_.begin_prompts(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value());
  }
  // The number of tokens, or null: it waits.
  Napi::Value next_step(const Napi::CallbackInfo& info) {
    const auto step =
        scheduler_.next_step(unwrap_cached_tokens(info[0]), info[1].ToBoolean(), info[2].ToNumber().Int32Value());
    return step ? Napi::Value(Napi::Number::New(info.Env(), step->count)) : info.Env().Null();
  }
  void end_round(const Napi::CallbackInfo& info) { scheduler_.end_round(tokens(info[0])); }
  void observe(const Napi::CallbackInfo& info) {
    scheduler_.observe(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value(),
                       info[2].ToNumber().DoubleValue());
  }

  Scheduler scheduler_;
};

}  // namespace

Napi::Function define_scheduler(Napi::Env env) { return SchedulerObject::define(env); }

}  // namespace streaming
