#include "addon/stream_object.h"

#include <type_traits>
#include <variant>

#include "addon/javascript_thread.h"
#include "addon/napi_values.h"

namespace streaming {

// Wakes one waiting callback from the engine's thread. Keeps the process alive while a callback waits. Shared by the
// JavaScript object and the wake-ups in flight.
class Waker : public std::enable_shared_from_this<Waker> {
 public:
  static std::shared_ptr<Waker> make(Napi::Env env) {
    auto waker = std::make_shared<Waker>();
    waker->thread_ = JavaScriptThread::make(env, "streaming-llm job");
    waker->thread_->unref(env);
    waker->thread_->at_end([waker] { waker->waiting_.Reset(); });
    return waker;
  }
  // JavaScript's thread.
  void wait(Napi::Function callback) {
    if (waiting_.IsEmpty()) thread_->ref(callback.Env());
    waiting_ = Napi::Persistent(callback);
  }
  // Any thread.
  void wake() {
    thread_->post([waker = shared_from_this()](Napi::Env env) { waker->call(env); });
  }
  // JavaScript's thread. The job has ended: the process may go.
  void close() {
    waiting_.Reset();
    thread_->close();
  }

 private:
  void call(Napi::Env env) {
    if (waiting_.IsEmpty()) return;
    const auto callback = waiting_.Value();
    waiting_.Reset();
    thread_->unref(env);
    callback.Call({});
  }
  std::shared_ptr<JavaScriptThread> thread_;
  Napi::FunctionReference waiting_;
};

namespace {

Napi::Array probabilities(Napi::Env env, const std::vector<TokenProbability>& of) {
  const auto pair = [&](Token token, float log_probability) {
    auto object = Napi::Object::New(env);
    object.Set("token", Napi::Number::New(env, token)),
        object.Set("logProbability", Napi::Number::New(env, log_probability));
    return object;
  };
  auto list = Napi::Array::New(env, of.size());
  for (uint32_t i = 0; i < of.size(); i++) {
    auto object = pair(of[i].token, of[i].log_probability);
    auto likeliest = Napi::Array::New(env, of[i].likeliest.size());
    for (uint32_t j = 0; j < of[i].likeliest.size(); j++)
      likeliest.Set(j, pair(of[i].likeliest[j].first, of[i].likeliest[j].second));
    object.Set("likeliest", likeliest);
    list.Set(i, object);
  }
  return list;
}

// Undefined if there can be no array of so many bytes. Made by JavaScript's own constructor, which throws: Node-API
// ends the process for more bytes than V8 allows or the memory has.
Napi::Value to_bytes(Napi::Env env, const std::vector<uint8_t>& from) {
  try {
    auto bytes = env.Global()
                     .Get("Uint8Array")
                     .As<Napi::Function>()
                     .New({Napi::Number::New(env, static_cast<double>(from.size()))})
                     .As<Napi::Uint8Array>();
    std::copy(from.begin(), from.end(), bytes.Data());
    return bytes;
  } catch (const Napi::Error&) {
    return env.Undefined();
  }
}

// What an event is in JavaScript: see NativeEvent in lib/engine/native.ts.
class EventObject {
 public:
  EventObject(Napi::Env env, const char* type) : env_(env), object_(Napi::Object::New(env)) { set("type", type); }
  template <class Value>
  EventObject& set(const char* name, const Value& value) {
    if constexpr (std::is_arithmetic_v<Value>) object_.Set(name, Napi::Number::New(env_, static_cast<double>(value)));
    else object_.Set(name, value);
    return *this;
  }
  EventObject& set(const events::Counts& counts) {
    return set("seenTokens", counts.seen).set("cachedTokens", counts.cached).set("evictedTokens", counts.evicted);
  }
  Napi::Object get() const { return object_; }

 private:
  Napi::Env env_;
  Napi::Object object_;
};

Napi::Object to_object(Napi::Env env, const events::Prefill& event) {
  return EventObject(env, "prefill").set("done", event.done).set("total", event.total).get();
}

Napi::Object to_object(Napi::Env env, const events::Text& event) {
  EventObject object(env, "text");
  object.set("text", event.text);
  if (!event.probabilities.empty()) object.set("tokens", probabilities(env, event.probabilities));
  return object.get();
}

Napi::Object to_object(Napi::Env env, const events::Evict& event) {
  return EventObject(env, "evict").set("tokens", event.tokens).set("total", event.total).get();
}

Napi::Object to_object(Napi::Env env, const events::Rebase& event) {
  return EventObject(env, "rebase").set("tokens", event.tokens).get();
}

Napi::Object to_object(Napi::Env env, const events::Scores& event) {
  auto values = Napi::Float32Array::New(env, event.values.size());
  std::copy(event.values.begin(), event.values.end(), values.Data());
  return EventObject(env, "scores").set("values", values).get();
}

Napi::Object to_object(Napi::Env env, const events::Error& event) {
  return EventObject(env, "error").set("code", event.code).set("message", event.message).set(event.counts).get();
}

Napi::Object to_object(Napi::Env env, const events::Finish& event) {
  EventObject object(env, "finish");
  object.set("reason", event.reason).set(event.counts);
  object.set("promptTokens", event.prompt_tokens).set("reusedTokens", event.reused_tokens);
  object.set("completionTokens", event.completion_tokens);
  object.set("promptMs", event.prompt_ms).set("generationMs", event.generation_ms);
  if (event.drafted_tokens >= 0)
    object.set("draftedTokens", event.drafted_tokens).set("acceptedTokens", event.accepted_tokens);
  if (!event.tokens.empty()) object.set("tokens", to_array(env, event.tokens));
  if (event.state.empty()) return object.get();
  const auto state = to_bytes(env, event.state);
  if (!state.IsUndefined()) return object.set("state", state).get();
  return to_object(env, events::Error{.code = "SAVE_FAILED",
                                      .message = "the chat takes " + std::to_string(event.state.size()) +
                                                 " bytes, more than JavaScript has room for in one piece: free memory, "
                                                 "use Node.js 22 or later (20 takes 4 GiB at most), or keep a smaller "
                                                 "window",
                                      .counts = event.counts});
}

}  // namespace

Napi::Function StreamObject::define(Napi::Env env) {
  return DefineClass(env, "NativeStream",
                     {InstanceMethod<&StreamObject::take>("take"), InstanceMethod<&StreamObject::wait>("wait"),
                      InstanceMethod<&StreamObject::cancel>("cancel")});
}

StreamObject::~StreamObject() {
  if (stream_) stream_->abandon();
  if (waker_) waker_->close();
}

void StreamObject::init(std::shared_ptr<Engine> engine, std::shared_ptr<TokenStream> stream) {
  engine_ = std::move(engine);
  stream_ = std::move(stream);
  waker_ = Waker::make(Env());
}

Napi::Value StreamObject::take(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto event = stream_->take();
  if (!event) return env.Null();
  const auto object = std::visit([&](const auto& one) { return to_object(env, one); }, *event);
  if (stream_->closed()) waker_->close();
  return object;
}

void StreamObject::wait(const Napi::CallbackInfo& info) {
  waker_->wait(info[0].As<Napi::Function>());
  stream_->wait([waker = waker_] { waker->wake(); });
}

void StreamObject::cancel(const Napi::CallbackInfo&) { stream_->cancel(); }

}  // namespace streaming
