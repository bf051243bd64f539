#include "addon/stream_object.h"

#include "addon/javascript_thread.h"
#include "addon/napi_values.h"

namespace streaming {

// Wakes one waiting callback from the engine's thread. Keeps the process alive while somebody waits; shared by the
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

Napi::Array probabilities(Napi::Env env, const std::vector<TokenProbability>& told) {
  const auto pair = [&](Token token, float log_probability) {
    auto object = Napi::Object::New(env);
    object.Set("token", Napi::Number::New(env, token)),
        object.Set("logProbability", Napi::Number::New(env, log_probability));
    return object;
  };
  auto list = Napi::Array::New(env, told.size());
  for (uint32_t i = 0; i < told.size(); i++) {
    auto object = pair(told[i].token, told[i].log_probability);
    auto likeliest = Napi::Array::New(env, told[i].likeliest.size());
    for (uint32_t j = 0; j < told[i].likeliest.size(); j++)
      likeliest.Set(j, pair(told[i].likeliest[j].first, told[i].likeliest[j].second));
    object.Set("likeliest", likeliest);
    list.Set(i, object);
  }
  return list;
}

// Undefined where there is no array of so many bytes. By JavaScript's own constructor, which throws: what Node-API
// makes of more than V8 allows, or the memory has, is the end of the process.
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

void StreamObject::adopt(std::shared_ptr<Engine> engine, std::shared_ptr<TokenStream> stream) {
  engine_ = std::move(engine);
  stream_ = std::move(stream);
  waker_ = Waker::make(Env());
}

Napi::Value StreamObject::take(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto event = stream_->take();
  if (!event) return env.Null();
  auto object = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
  const auto set_counts = [&] {
    set("seenTokens", static_cast<double>(event->seen_tokens));
    set("cachedTokens", static_cast<double>(event->cached_tokens));
    set("evictedTokens", static_cast<double>(event->evicted_tokens));
  };
  static constexpr const char* names[] = {"prefill", "text", "evict", "rebase", "scores", "finish", "error"};
  object.Set("type", names[event->type]);
  switch (event->type) {
    case StreamEvent::prefill:
      set("done", static_cast<double>(event->done)), set("total", static_cast<double>(event->total));
      break;
    case StreamEvent::text:
      object.Set("text", event->content);
      if (!event->told.empty()) object.Set("tokens", probabilities(env, event->told));
      break;
    case StreamEvent::evict:
      set("tokens", static_cast<double>(event->done)), set("total", static_cast<double>(event->total));
      break;
    case StreamEvent::rebase: set("tokens", static_cast<double>(event->done)); break;
    case StreamEvent::scores: {
      auto values = Napi::Float32Array::New(env, event->values.size());
      std::copy(event->values.begin(), event->values.end(), values.Data());
      object.Set("values", values);
      break;
    }
    case StreamEvent::finish:
      object.Set("reason", event->reason);
      set("promptTokens", static_cast<double>(event->prompt_tokens)),
          set("reusedTokens", static_cast<double>(event->reused_tokens)),
          set("completionTokens", static_cast<double>(event->completion_tokens));
      if (event->drafted_tokens >= 0)
        set("draftedTokens", static_cast<double>(event->drafted_tokens)),
            set("acceptedTokens", static_cast<double>(event->accepted_tokens));
      if (!event->tokens.empty()) object.Set("tokens", to_array(env, event->tokens));
      if (!event->state.empty()) {
        const auto state = to_bytes(env, event->state);
        if (state.IsUndefined()) {
          object.Set("type", names[StreamEvent::error]);
          object.Set("code", "SAVE_FAILED");
          object.Set("message", "the chat takes " + std::to_string(event->state.size()) +
                                    " bytes, more than JavaScript has room for in one piece: free memory, use Node.js "
                                    "22 or later (20 takes 4 GiB at most), or keep a smaller window");
          set_counts();
          break;
        }
        object.Set("state", state);
      }
      set("promptMs", event->prompt_ms), set("generationMs", event->generation_ms);
      set_counts();
      break;
    case StreamEvent::error:
      object.Set("code", event->reason), object.Set("message", event->content);
      set_counts();
      break;
  }
  if (stream_->closed()) waker_->close();
  return object;
}

void StreamObject::wait(const Napi::CallbackInfo& info) {
  waker_->wait(info[0].As<Napi::Function>());
  stream_->wait([waker = waker_] { waker->wake(); });
}

void StreamObject::cancel(const Napi::CallbackInfo&) { stream_->cancel(); }

}  // namespace streaming
