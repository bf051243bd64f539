#include "test/slot_table_object.h"

#include "addon/napi_values.h"
#include "engine/slot_table.h"

namespace streaming {
namespace {

class SlotTableObject : public Napi::ObjectWrap<SlotTableObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = SlotTableObject;
    return DefineClass(env, "SlotTable",
                       {InstanceMethod<&Self::enqueue>("enqueue"), InstanceMethod<&Self::remove>("remove"),
                        InstanceMethod<&Self::next>("next"), InstanceMethod<&Self::waiting>("waiting"),
                        InstanceMethod<&Self::slots_to_free>("slotsToFree")});
  }
  explicit SlotTableObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        table_(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int64Value(), info[2].ToNumber().Int64Value()) {}

 private:
  void enqueue(const Napi::CallbackInfo& info) {
    table_.enqueue(info[0].ToNumber().Int32Value(), info[1].ToNumber().DoubleValue());
  }
  void remove(const Napi::CallbackInfo& info) { table_.remove(info[0].ToNumber().Int32Value()); }
  Napi::Value next(const Napi::CallbackInfo& info) {
    const auto handle = table_.next();
    return handle ? Napi::Number::New(info.Env(), *handle) : info.Env().Null();
  }
  Napi::Value waiting(const Napi::CallbackInfo& info) { return to_array(info.Env(), table_.waiting()); }
  Napi::Value slots_to_free(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto list = info[1].As<Napi::Array>();
    std::vector<SlotTable::Holder> holders;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const auto one = list.Get(i).As<Napi::Object>();
      holders.push_back({integer(one, "handle"), integer(one, "cells"), static_cast<uint64_t>(integer(one, "lastUsed")),
                         one.Get("works").ToBoolean(), one.Get("waits").ToBoolean(), one.Get("spared").ToBoolean()});
    }
    const auto to_free = table_.slots_to_free(info[0].ToNumber().Int64Value(), holders);
    return to_free ? Napi::Value(to_array(env, *to_free)) : env.Null();
  }

  SlotTable table_;
};

}  // namespace

Napi::Function define_slot_table(Napi::Env env) { return SlotTableObject::define(env); }

}  // namespace streaming
