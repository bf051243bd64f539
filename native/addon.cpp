// What JavaScript sees, and nothing else: objects are wrapped, values converted, Failures thrown as Errors with a
// `code`. Everything here runs on JavaScript's thread unless it says otherwise. lib/native.ts is its type.
#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>

#include "backends.h"
#include "embedder.h"
#include "engine.h"
#include "failure.h"
#include "napi_values.h"
#include "speculation_objects.h"

namespace streaming {
namespace {

// Runs `body`; a Failure becomes a JavaScript exception.
template <class Body>
auto throwing(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Failure& failure) {
    throw to_error(env, failure);
  }
}

// ---- reading options, which lib/options.ts has checked

ContextOptions read_context_options(const Napi::Object& from) {
  ContextOptions options;
  options.threads = integer(from, "threads");
  options.threads_may_change = from.Get("threadsMayChange").ToBoolean();
  options.batch_size = integer(from, "batchSize");
  options.cache_tokens = integer(from, "cacheTokens");
  options.max_sequences = integer(from, "maxSequences");
  if (const auto waits = from.Get("waits"); waits.IsBoolean()) options.waits = waits.ToBoolean();
  if (const auto folder = from.Get("swapFolder"); folder.IsString()) options.swap_folder = folder.ToString().Utf8Value();
  if (const auto unload = from.Get("unloadAfter"); unload.IsNumber()) options.unload_after_ms = unload.ToNumber().DoubleValue();
  const std::string kv = text(from, "kvType"), flash = text(from, "flashAttention");
  options.kv_type = kv == "f32" ? GGML_TYPE_F32 : kv == "q8_0" ? GGML_TYPE_Q8_0 : kv == "q4_0" ? GGML_TYPE_Q4_0 : GGML_TYPE_F16;
  options.flash_attention = flash == "on" ? LLAMA_FLASH_ATTN_TYPE_ENABLED : flash == "off" ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_AUTO;
  return options;
}

CachePolicy::Kind policy_kind(const std::string& name) {
  return name == "dense" ? CachePolicy::dense : name == "recompute" ? CachePolicy::recompute : name == "refill" ? CachePolicy::refill : CachePolicy::streaming;
}

CachePolicy::Limits read_limits(const Napi::Object& from, int trained_length) {
  return {policy_kind(text(from, "policy")), integer(from, "sinks"), integer(from, "window"), integer(from, "reanchorEvery"), trained_length, integer(from, "firstPosition"), from.Get("byTurn").ToBoolean()};
}

Job::Kind job_kind(const std::string& name) {
  static const std::map<std::string, Job::Kind> kinds{{"append", Job::append}, {"score", Job::score}, {"generate", Job::generate}, {"rebase", Job::rebase}, {"cut", Job::cut}, {"replaceSinks", Job::replace_sinks}, {"look", Job::look}, {"save", Job::save}, {"restore", Job::restore}};
  return kinds.at(name);
}

SamplingOptions read_sampling(const Napi::Object& from) {
  SamplingOptions options;
  options.temperature = static_cast<float>(number(from, "temperature"));
  options.top_k = integer(from, "topK");
  options.top_p = static_cast<float>(number(from, "topP"));
  options.min_p = static_cast<float>(number(from, "minP"));
  options.typical_p = static_cast<float>(number(from, "typicalP"));
  options.repeat_penalty = static_cast<float>(number(from, "repeatPenalty"));
  options.frequency_penalty = static_cast<float>(number(from, "frequencyPenalty"));
  options.presence_penalty = static_cast<float>(number(from, "presencePenalty"));
  options.penalty_tokens = integer(from, "penaltyTokens");
  options.dry_multiplier = static_cast<float>(number(from, "dryMultiplier"));
  options.dry_base = static_cast<float>(number(from, "dryBase"));
  options.dry_allowed_length = integer(from, "dryAllowedLength");
  options.dry_tokens = integer(from, "dryTokens");
  options.dry_breakers = texts(from, "dryBreakers");
  options.seed = from.Get("seed").ToNumber().Uint32Value();
  const auto optional = [&](const char* name, float& value) {
    if (from.Get(name).IsNumber()) value = static_cast<float>(number(from, name));
  };
  optional("topNSigma", options.top_n_sigma);
  optional("xtcProbability", options.xtc_probability), optional("xtcThreshold", options.xtc_threshold);
  optional("temperatureRange", options.temperature_range), optional("temperatureExponent", options.temperature_exponent);
  if (from.Get("mirostat").IsNumber()) options.mirostat = integer(from, "mirostat");
  optional("mirostatTau", options.mirostat_tau), optional("mirostatEta", options.mirostat_eta);
  optional("adaptiveTarget", options.adaptive_target), optional("adaptiveDecay", options.adaptive_decay);
  if (const auto given = from.Get("biasTokens"); given.IsTypedArray()) {
    const auto biased = tokens(given);
    const auto values = from.Get("biasValues").As<Napi::Float32Array>();
    for (size_t i = 0; i < biased.size(); i++) options.bias.push_back({biased[i], values[i]});
  }
  return options;
}

// ---- the constructors of one JavaScript environment

struct Environment {
  Napi::FunctionReference model, sequence, stream;
  Napi::ThreadSafeFunction log;
  ~Environment() { LlamaLibrary::listen(this, nullptr); }
};

Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

// ---- a job's events

// The way from the engine's thread to one waiting callback. Keeps the process alive while somebody waits; shared by
// the JavaScript object and the wake-ups in flight.
class Waker {
 public:
  static std::shared_ptr<Waker> make(Napi::Env env) {
    auto waker = std::make_shared<Waker>();
    // The function holds the waker until the last wake-up has been run.
    waker->function_ = Function::New(env, "streaming-llm job", 0, 1, new std::shared_ptr<Waker>(waker),
                                     [](Napi::Env, void*, std::shared_ptr<Waker>* context) { delete context; }, static_cast<void*>(nullptr));
    waker->function_.Unref(env);
    return waker;
  }
  // JavaScript's thread.
  void wait(Napi::Function callback) {
    if (waiting_.IsEmpty()) function_.Ref(callback.Env());
    waiting_ = Napi::Persistent(callback);
  }
  // Any thread.
  void wake() {
    std::lock_guard lock(mutex_);
    if (open_ && function_.NonBlockingCall() == napi_closing) open_ = false;
  }
  // JavaScript's thread. The job has ended: the process may go.
  void close() {
    waiting_.Reset();
    std::lock_guard lock(mutex_);
    if (open_) function_.Release();
    open_ = false;
  }

 private:
  static void call(Napi::Env env, Napi::Function, std::shared_ptr<Waker>* context, void*) {
    auto& waker = **context;
    if (!env || waker.waiting_.IsEmpty()) return;
    try {
      const auto callback = waker.waiting_.Value();
      waker.waiting_.Reset();
      waker.function_.Unref(env);
      callback.Call({});
    } catch (const Napi::Error&) {
      // A worker that is being terminated runs no JavaScript any more; the callback itself never throws.
    }
  }
  using Function = Napi::TypedThreadSafeFunction<std::shared_ptr<Waker>, void, call>;
  std::mutex mutex_;
  Function function_;
  bool open_ = true;
  Napi::FunctionReference waiting_;
};

class StreamObject : public Napi::ObjectWrap<StreamObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeStream",
                       {InstanceMethod<&StreamObject::take>("take"), InstanceMethod<&StreamObject::wait>("wait"), InstanceMethod<&StreamObject::cancel>("cancel")});
  }
  explicit StreamObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  // Dropped without having been read to its end: the sequence must not wait for a reader for ever.
  ~StreamObject() override {
    if (stream_) stream_->abandon();
    if (waker_) waker_->close();
  }
  void adopt(std::shared_ptr<Engine> engine, std::shared_ptr<TokenStream> stream, std::shared_ptr<Waker> waker) {
    engine_ = std::move(engine);
    stream_ = std::move(stream);
    waker_ = std::move(waker);
  }

 private:
  static Napi::Array probabilities(Napi::Env env, const std::vector<TokenProbability>& told) {
    const auto pair = [&](Token token, float log_probability) {
      auto object = Napi::Object::New(env);
      object.Set("token", Napi::Number::New(env, token)), object.Set("logProbability", Napi::Number::New(env, log_probability));
      return object;
    };
    auto list = Napi::Array::New(env, told.size());
    for (uint32_t i = 0; i < told.size(); i++) {
      auto object = pair(told[i].token, told[i].log_probability);
      auto likeliest = Napi::Array::New(env, told[i].likeliest.size());
      for (uint32_t j = 0; j < told[i].likeliest.size(); j++) likeliest.Set(j, pair(told[i].likeliest[j].first, told[i].likeliest[j].second));
      object.Set("likeliest", likeliest);
      list.Set(i, object);
    }
    return list;
  }
  Napi::Value take(const Napi::CallbackInfo& info) {
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
      case StreamEvent::prefill: set("done", static_cast<double>(event->done)), set("total", static_cast<double>(event->total)); break;
      case StreamEvent::text:
        object.Set("text", event->content);
        if (!event->told.empty()) object.Set("tokens", probabilities(env, event->told));
        break;
      case StreamEvent::evict: set("tokens", static_cast<double>(event->done)), set("total", static_cast<double>(event->total)); break;
      case StreamEvent::rebase: set("tokens", static_cast<double>(event->done)); break;
      case StreamEvent::scores: {
        auto values = Napi::Float32Array::New(env, event->values.size());
        std::copy(event->values.begin(), event->values.end(), values.Data());
        object.Set("values", values);
        break;
      }
      case StreamEvent::finish:
        object.Set("reason", event->reason);
        set("promptTokens", static_cast<double>(event->prompt_tokens)), set("reusedTokens", static_cast<double>(event->reused_tokens)), set("completionTokens", static_cast<double>(event->completion_tokens));
        if (event->drafted_tokens >= 0) set("draftedTokens", static_cast<double>(event->drafted_tokens)), set("acceptedTokens", static_cast<double>(event->accepted_tokens));
        if (!event->tokens.empty()) object.Set("tokens", to_array(env, event->tokens));
        if (!event->state.empty()) {
          auto state = Napi::Uint8Array::New(env, event->state.size());
          std::copy(event->state.begin(), event->state.end(), state.Data());
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
  void wait(const Napi::CallbackInfo& info) {
    waker_->wait(info[0].As<Napi::Function>());
    stream_->wait([waker = waker_] { waker->wake(); });
  }
  void cancel(const Napi::CallbackInfo&) { stream_->cancel(); }

  std::shared_ptr<Engine> engine_;  // the stream pokes it
  std::shared_ptr<TokenStream> stream_;
  std::shared_ptr<Waker> waker_;
};

// ---- a sequence

class SequenceObject : public Napi::ObjectWrap<SequenceObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeSequence", {InstanceMethod<&SequenceObject::start>("start"), InstanceMethod<&SequenceObject::fork>("fork"), InstanceMethod<&SequenceObject::close>("close")});
  }
  explicit SequenceObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  ~SequenceObject() override { shut(); }
  void adopt(std::shared_ptr<Engine> engine, const std::shared_ptr<Model>& model, int handle) {
    engine_ = std::move(engine);
    model_ = model;
    handle_ = handle;
  }

 private:
  Napi::Value start(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return throwing(env, [&]() -> Napi::Value {
      if (!engine_) throw Failure("CLOSED", "the sequence is closed");
      if (running_ && !running_->closed()) throw Failure("BUSY", "the sequence is still at work on something else");
      const auto options = info[0].As<Napi::Object>();
      const std::string type = text(options, "type");
      Job job;
      job.kind = job_kind(type);
      if (const auto given = options.Get("tokens"); given.IsTypedArray()) job.tokens = tokens(given);
      if (const auto turns = options.Get("turns"); turns.IsTypedArray()) job.turns = tokens(turns);
      if (job.kind == Job::cut) job.keep = static_cast<int64_t>(number(options, "keep"));
      if (job.kind == Job::restore) {
        const auto state = options.Get("state").As<Napi::Uint8Array>();
        job.state.assign(state.Data(), state.Data() + state.ByteLength());
        job.tokens_alone = options.Get("tokensAlone").ToBoolean();
      }
      if (const auto priority = options.Get("priority"); priority.IsNumber()) job.priority = priority.ToNumber().DoubleValue();
      const auto model = model_.lock();
      if (!model) throw Failure("CLOSED", "the model is closed");
      model->check_tokens(job.tokens.data(), job.tokens.size());
      if (job.kind == Job::generate) {
        job.max_tokens = static_cast<int64_t>(number(options, "maxTokens"));
        job.time_limit_ms = number(options, "timeLimit");
        job.stops = texts(options, "stop");
        job.sampling = read_sampling(options.Get("sampling").As<Napi::Object>());
        for (const auto& [token, value] : job.sampling.bias) model->check_tokens(&token, 1);
        if (const auto grammar = options.Get("grammar"); grammar.IsString()) job.grammar = grammar.ToString().Utf8Value();
        if (options.Get("triggers").IsArray()) job.triggers = texts(options, "triggers");
        if (options.Get("alternatives").IsNumber()) job.alternatives = integer(options, "alternatives");
        if (const auto shown = options.Get("shown"); shown.IsTypedArray()) job.shown = tokens(shown);
        job.speculation = options.Get("speculation").ToBoolean();
        if (const auto forced = options.Get("forcedDrafts"); forced.IsObject()) {
          const auto object = forced.As<Napi::Object>();
          job.forced = std::make_shared<const Job::Forced>(Job::Forced{tokens(object.Get("tokens")), integer(object, "count")});
          model->check_tokens(job.forced->tokens.data(), job.forced->tokens.size());
        }
      }
      running_ = job.stream = engine_->make_stream();
      const auto object = environment(env).stream.New({});
      StreamObject::Unwrap(object)->adopt(engine_, running_, Waker::make(env));
      engine_->start(handle_, std::move(job));
      return object;
    });
  }
  Napi::Value fork(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return throwing(env, [&]() -> Napi::Value {
      const auto model = model_.lock();
      if (!engine_ || !model) throw Failure("CLOSED", "the sequence is closed");
      if (running_ && !running_->closed()) throw Failure("BUSY", "the sequence is still at work on something else");
      const auto object = environment(env).sequence.New({});
      SequenceObject::Unwrap(object)->adopt(engine_, model, engine_->fork(handle_));
      return object;
    });
  }
  void close(const Napi::CallbackInfo&) { shut(); }
  void shut() {
    if (engine_) engine_->close(handle_);
    engine_.reset();
  }

  std::shared_ptr<Engine> engine_;
  std::weak_ptr<Model> model_;  // a sequence that was forgotten must not keep a closed model's weights
  std::shared_ptr<TokenStream> running_;
  int handle_ = -1;
};

// ---- a model

class CloseWorker : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<Engine> engine, std::shared_ptr<Embedder> embedder)
      : AsyncWorker(env), deferred(env), engine_(std::move(engine)), embedder_(std::move(embedder)) {}
  void Execute() override {
    embedder_->stop();
    engine_->stop();
  }
  void OnOK() override { deferred.Resolve(Env().Undefined()); }
  Napi::Promise::Deferred deferred;

 private:
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Embedder> embedder_;
};

// What the embedder's thread has made, on its way to the promise that waits for it, which keeps the process alive.
class Delivery {
 public:
  // On the embedder's thread: calls `work`, whose vectors or Failure the promise gets.
  template <class Work>
  static Napi::Value start(Napi::Env env, Embedder& embedder, Work work) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    auto way = Function::New(env, "streaming-llm embeddings", 0, 1);
    embedder.start([deferred, way, work = std::move(work)]() mutable {
      auto delivery = std::make_unique<Delivery>(deferred);
      try {
        delivery->vectors_ = work();
      } catch (const Failure& failure) {
        delivery->failure_ = failure;
      }
      if (way.NonBlockingCall(delivery.get()) != napi_ok) return;  // the environment is gone
      (void)delivery.release();
      way.Release();
    });
    return deferred.Promise();
  }
  explicit Delivery(const Napi::Promise::Deferred& deferred) : deferred_(deferred) {}

 private:
  static void arrive(Napi::Env env, Napi::Function, void*, Delivery* delivery) {
    const std::unique_ptr<Delivery> owned(delivery);
    if (!env) return;
    if (owned->failure_) {
      owned->deferred_.Reject(to_error(env, *owned->failure_).Value());
      return;
    }
    auto list = Napi::Array::New(env, owned->vectors_.size());
    for (uint32_t i = 0; i < owned->vectors_.size(); i++) {
      const auto& values = owned->vectors_[i];
      auto vector = Napi::Float32Array::New(env, values.size());
      std::copy(values.begin(), values.end(), vector.Data());
      list.Set(i, vector);
    }
    owned->deferred_.Resolve(list);
  }
  using Function = Napi::TypedThreadSafeFunction<void, Delivery, arrive>;
  Napi::Promise::Deferred deferred_;
  std::vector<std::vector<float>> vectors_;
  std::optional<Failure> failure_;
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeModel",
                       {InstanceAccessor<&ModelObject::info>("info"), InstanceAccessor<&ModelObject::cells>("cells"), InstanceAccessor<&ModelObject::loaded>("loaded"),
                        InstanceMethod<&ModelObject::open_sequence>("openSequence"), InstanceMethod<&ModelObject::tokenize>("tokenize"),
                        InstanceMethod<&ModelObject::detokenize>("detokenize"), InstanceMethod<&ModelObject::embed>("embed"), InstanceMethod<&ModelObject::release_embedder>("releaseEmbedder"), InstanceMethod<&ModelObject::close>("close")});
  }
  explicit ModelObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}
  void adopt(std::shared_ptr<Model> model, const ContextOptions& options) {
    engine_ = std::make_shared<Engine>(model, options);
    embedder_ = std::make_shared<Embedder>(model, options);
    model_ = std::move(model);
  }

 private:
  void need_open() const {
    if (!model_) throw Failure("CLOSED", "the model is closed");
  }

  Napi::Value info(const Napi::CallbackInfo& call) {
    const auto env = call.Env();
    return throwing(env, [&]() -> Napi::Value {
      need_open();
      const auto& f = llama();
      const auto& facts = model_->facts();
      const auto* vocab = model_->vocab();
      auto object = Napi::Object::New(env);
      const auto set = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
      const auto flag = [&](const char* name, bool value) { object.Set(name, Napi::Boolean::New(env, value)); };
      object.Set("description", facts.description);
      set("parameters", static_cast<double>(facts.parameters));
      set("sizeBytes", static_cast<double>(facts.size_bytes));
      set("layers", facts.layers);
      set("trainedLength", facts.trained_length);
      set("vocabularySize", model_->vocab_size());
      set("slidingWindow", facts.sliding_window);
      flag("hasTokenizer", model_->has_tokenizer());
      flag("hasEncoder", facts.encoder);
      flag("hasDecoder", facts.decoder);
      flag("isRecurrent", facts.recurrent);
      flag("isHybrid", facts.hybrid);
      flag("isDiffusion", facts.diffusion);
      flag("hasPositions", facts.positions);
      if (!facts.chat_template.empty()) object.Set("chatTemplate", facts.chat_template);
      const auto text_of = [&](Token token) { return token >= 0 && token < model_->vocab_size() ? std::string(f.llama_vocab_get_text(vocab, token)) : std::string(); };
      const Token beginning = model_->beginning();
      if (beginning >= 0) set("beginningToken", beginning);
      if (model_->has_tokenizer()) {
        // Whichever the vocabulary has, by their metadata or by the texts that llama.cpp knows.
        const std::vector<std::pair<const char*, Token>> fill{{"prefix", f.llama_vocab_fim_pre(vocab)}, {"suffix", f.llama_vocab_fim_suf(vocab)}, {"middle", f.llama_vocab_fim_mid(vocab)}};
        auto tokens = Napi::Object::New(env);
        for (const auto& [name, token] : fill) {
          if (token >= 0 && token < model_->vocab_size()) tokens.Set(name, Napi::Number::New(env, token));
        }
        object.Set("fillTokens", tokens);
      }
      object.Set("beginningText", model_->has_tokenizer() ? text_of(f.llama_vocab_bos(vocab)) : "");
      object.Set("endText", model_->has_tokenizer() ? text_of(f.llama_vocab_eos(vocab)) : "");
      auto special = Napi::Array::New(env);
      for (Token token = 0, count = 0; model_->has_tokenizer() && token < model_->vocab_size(); token++) {
        const auto attributes = f.llama_vocab_get_attr(vocab, token);
        if ((attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) == 0) continue;
        const auto name = text_of(token);
        if (!name.empty()) special.Set(static_cast<uint32_t>(count++), name);
      }
      object.Set("specialTokens", special);
      return object;
    });
  }

  Napi::Value cells(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), engine_ ? engine_->cells() : 0); }

  Napi::Value loaded(const Napi::CallbackInfo& call) { return Napi::Boolean::New(call.Env(), model_ && model_->loaded()); }

  Napi::Value open_sequence(const Napi::CallbackInfo& call) {
    const auto env = call.Env();
    return throwing(env, [&]() -> Napi::Value {
      need_open();
      const auto options = call[0].As<Napi::Object>();
      const auto limits = read_limits(options, model_->facts().trained_length);
      const bool bounded = limits.kind == CachePolicy::streaming && limits.reanchor_every != CachePolicy::kNever;
      if (bounded && static_cast<int64_t>(limits.sinks) + limits.window + limits.reanchor_every + 1 > limits.trained_length) {
        throw Failure("WINDOW_TOO_LARGE", "sinks + window + reanchorEvery + 1 must not be larger than the " + std::to_string(limits.trained_length) +
                                              " tokens that the model was trained on; the window may have at most " +
                                              std::to_string(limits.trained_length - limits.sinks - limits.reanchor_every - 1));
      }
      const int handle = engine_->open(limits, integer(options, "rebaseAfter"), options.Get("verify").ToBoolean());
      const auto object = environment(env).sequence.New({});
      SequenceObject::Unwrap(object)->adopt(engine_, model_, handle);
      return object;
    });
  }

  Napi::Value tokenize(const Napi::CallbackInfo& call) {
    return throwing(call.Env(), [&]() -> Napi::Value {
      need_open();
      return to_array(call.Env(), model_->tokenize(call[0].ToString().Utf8Value(), call[1].ToBoolean()));
    });
  }

  Napi::Value detokenize(const Napi::CallbackInfo& call) {
    return throwing(call.Env(), [&]() -> Napi::Value {
      need_open();
      return Napi::String::New(call.Env(), model_->detokenize(tokens(call[0]), call[1].ToBoolean()));
    });
  }

  Napi::Value embed(const Napi::CallbackInfo& call) {
    const auto env = call.Env();
    return throwing(env, [&]() -> Napi::Value {
      need_open();
      const auto options = call[0].As<Napi::Object>();
      const auto pooling = text(options, "pooling");
      auto aborted = std::make_shared<std::atomic<bool>>(false);
      Embedder::Request request{texts(options, "texts"), pooling == "last" ? Embedder::last : pooling == "cls" ? Embedder::first : Embedder::mean, options.Get("normalize").ToBoolean(), integer(options, "mostTokens")};
      auto result = Napi::Object::New(env);
      result.Set("promise", Delivery::start(env, *embedder_, [embedder = embedder_.get(), request = std::move(request), aborted] { return embedder->embed(request, *aborted); }));
      result.Set("abort", Napi::Function::New(env, [aborted](const Napi::CallbackInfo&) { *aborted = true; }));
      return result;
    });
  }

  Napi::Value release_embedder(const Napi::CallbackInfo& call) {
    return throwing(call.Env(), [&]() -> Napi::Value {
      need_open();
      return Delivery::start(call.Env(), *embedder_, [embedder = embedder_.get()] {
        embedder->release();
        return std::vector<std::vector<float>>();
      });
    });
  }

  Napi::Value close(const Napi::CallbackInfo& call) {
    const auto env = call.Env();
    if (!engine_) {
      const auto deferred = Napi::Promise::Deferred::New(env);
      deferred.Resolve(env.Undefined());
      return deferred.Promise();
    }
    auto* worker = new CloseWorker(env, std::move(engine_), std::move(embedder_));
    engine_.reset();
    embedder_.reset();
    model_.reset();
    const auto promise = worker->deferred.Promise();
    worker->Queue();
    return promise;
  }

  std::shared_ptr<Model> model_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Embedder> embedder_;
};

// ---- loading

// Loads on a thread of libuv's pool and tells JavaScript how far it is.
class LoadWorker : public Napi::AsyncProgressWorker<float> {
 public:
  LoadWorker(Napi::Env env, std::string path, Weights::LoadOptions where, const ContextOptions& options, Napi::Function progress, std::shared_ptr<std::atomic<bool>> aborted)
      : AsyncProgressWorker(env), deferred(env), path_(std::move(path)), where_(std::move(where)), options_(options), progress_(Napi::Persistent(progress)), aborted_(std::move(aborted)) {}
  void Execute(const ExecutionProgress& progress) override {
    float told = 0;
    try {
      model_ = Model::load(path_, where_, options_.unload_after_ms > 0, [&](float done) {
        if (done - told >= 0.01f || done == 1.0f) progress.Send(&done, 1), told = done;
        return !*aborted_;
      });
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    }
  }
  void OnProgress(const float* done, size_t count) override {
    try {
      if (count > 0) progress_.Call({Napi::Number::New(Env(), done[count - 1])});
    } catch (const Napi::Error&) {
      // What a progress bar throws does not stop the loading.
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred.Reject(to_error(Env(), *failure_).Value());
      return;
    }
    const auto object = environment(Env()).model.New({});
    ModelObject::Unwrap(object)->adopt(std::move(model_), options_);
    deferred.Resolve(object);
  }
  Napi::Promise::Deferred deferred;

 private:
  std::string path_;
  Weights::LoadOptions where_;
  ContextOptions options_;
  Napi::FunctionReference progress_;
  std::shared_ptr<std::atomic<bool>> aborted_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Failure> failure_;
};

Napi::Value load(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto options = info[1].As<Napi::Object>();
  auto aborted = std::make_shared<std::atomic<bool>>(false);
  Weights::LoadOptions where;
  where.gpu_layers = integer(options, "gpuLayers");
  where.devices = texts(options, "devices");
  if (options.Has("rpc")) {
    where.rpc = texts(options, "rpc");
    where.rpc_library = text(options, "rpcLibrary");
  }
  if (const auto adapters = options.Get("adapters"); adapters.IsArray()) {
    const auto list = adapters.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
      const auto adapter = list.Get(i).As<Napi::Object>();
      where.adapters.push_back({text(adapter, "path"), static_cast<float>(number(adapter, "scale"))});
    }
  }
  auto* worker = new LoadWorker(env, info[0].ToString().Utf8Value(), std::move(where), read_context_options(options), info[2].As<Napi::Function>(), aborted);
  auto result = Napi::Object::New(env);
  result.Set("promise", worker->deferred.Promise());
  result.Set("abort", Napi::Function::New(env, [aborted](const Napi::CallbackInfo&) { *aborted = true; }));
  worker->Queue();
  return result;
}

Napi::Array device_objects(Napi::Env env) {
  auto objects = Napi::Array::New(env);
  for (const auto& device : devices()) {
    auto object = Napi::Object::New(env);
    object.Set("name", device.name), object.Set("description", device.description), object.Set("backend", device.back_end), object.Set("type", device.type);
    object.Set("memoryFree", static_cast<double>(device.memory_free)), object.Set("memoryTotal", static_cast<double>(device.memory_total));
    objects.Set(objects.Length(), object);
  }
  return objects;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  return throwing(env, [&]() -> Napi::Value {
    const auto paths = info[0].As<Napi::Object>();
    const auto& library = LlamaLibrary::open({text(paths, "llama"), text(paths, "ggml"), text(paths, "ggmlBase"), texts(paths, "cpuBackends"), texts(paths, "accelerators")});
    auto result = Napi::Object::New(env);
    result.Set("version", library.llama_version());
    result.Set("cpuBackend", library.cpu_backend());
    result.Set("devices", device_objects(env));
    return result;
  });
}

// What follows is called once open() has returned.

Napi::Value list_devices(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value { return device_objects(info.Env()); });
}

Napi::Value load_backend_file(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value {
    load_backend(info[0].ToString().Utf8Value());
    return device_objects(info.Env());
  });
}

Napi::Value try_one_device(const Napi::CallbackInfo& info) {
  return throwing(info.Env(), [&]() -> Napi::Value {
    try_device(info[0].ToString().Utf8Value());
    return info.Env().Undefined();
  });
}

void set_log(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto& here = environment(env);
  LlamaLibrary::listen(&here, nullptr);
  if (here.log) here.log.Release();
  here.log = Napi::ThreadSafeFunction();
  if (!info[0].IsFunction()) return;
  here.log = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "streaming-llm log", 0, 1);
  here.log.Unref(env);  // listening keeps no process alive
  LlamaLibrary::listen(&here, [log = here.log](int level, const char* line) {
    auto* copy = new std::pair<int, std::string>(level, line);
    const auto status = log.NonBlockingCall(copy, [](Napi::Env env, Napi::Function callback, std::pair<int, std::string>* entry) {
      const std::unique_ptr<std::pair<int, std::string>> owned(entry);
      if (!env) return;
      try {
        callback.Call({Napi::Number::New(env, owned->first), Napi::String::New(env, owned->second)});
      } catch (const Napi::Error&) {
        // As above; and what a listener of the log throws must not end the process.
      }
    });
    if (status != napi_ok) delete copy;
  });
}

// ---- parts of the engine alone, for tests

class CachePolicyObject : public Napi::ObjectWrap<CachePolicyObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "CachePolicy",
                       {InstanceMethod<&CachePolicyObject::append>("append"), InstanceMethod<&CachePolicyObject::begin_turn>("beginTurn"), InstanceMethod<&CachePolicyObject::cut>("cut"), InstanceMethod<&CachePolicyObject::room>("room"), InstanceMethod<&CachePolicyObject::mark>("mark"),
                        InstanceMethod<&CachePolicyObject::rollback>("rollback"), InstanceMethod<&CachePolicyObject::release>("release"),
                        InstanceMethod<&CachePolicyObject::must_restart>("mustRestart"), InstanceMethod<&CachePolicyObject::restart>("restart"),
                        InstanceMethod<&CachePolicyObject::state>("state")});
  }
  explicit CachePolicyObject(const Napi::CallbackInfo& info) : ObjectWrap(info), cache_(make_cache_policy(read_limits(info[0].As<Napi::Object>(), integer(info[0].As<Napi::Object>(), "trainedLength")))) {}

 private:
  void append(const Napi::CallbackInfo& info) {
    const auto added = tokens(info[0]);
    cache_->commit(cache_->plan(static_cast<int>(added.size()), info[1].ToBoolean()), added.data());
  }
  void begin_turn(const Napi::CallbackInfo& info) { cache_->begin_turn(info[0].ToNumber().Int32Value()); }
  Napi::Value cut(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), cache_->cut(info[0].ToNumber().Int32Value())); }
  Napi::Value room(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), cache_->room()); }
  Napi::Value mark(const Napi::CallbackInfo& info) {
    marks_.push_back(cache_->mark());
    return Napi::Number::New(info.Env(), static_cast<double>(marks_.size() - 1));
  }
  Napi::Value rollback(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), cache_->rollback(marks_.at(info[0].ToNumber().Uint32Value()))); }
  void release(const Napi::CallbackInfo& info) { cache_->release(marks_.at(info[0].ToNumber().Uint32Value())); }
  Napi::Value must_restart(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), cache_->must_restart(info[0].ToNumber().Uint32Value())); }
  Napi::Value restart(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto restart = cache_->restart(info[0].ToNumber().Uint32Value());
    auto object = Napi::Object::New(env);
    object.Set("again", to_array(env, restart.again)), object.Set("skipped", static_cast<double>(restart.skipped)), object.Set("left", static_cast<double>(restart.left));
    return object;
  }
  Napi::Value state(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto mark = cache_->mark();
    auto object = Napi::Object::New(env);
    object.Set("base", mark.base), object.Set("oldest", mark.oldest), object.Set("next", cache_->next()), object.Set("size", cache_->size());
    object.Set("kept", to_array(env, cache_->kept()));
    const char* broken = cache_->broken_invariant();
    object.Set("broken", broken ? Napi::Value(Napi::String::New(env, broken)) : env.Null());
    return object;
  }

  const std::unique_ptr<CachePolicy> cache_;
  std::vector<CachePolicy::Mark> marks_;
};

class ThreadChoiceObject : public Napi::ObjectWrap<ThreadChoiceObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "ThreadChoice",
                       {InstanceMethod<&ThreadChoiceObject::threads>("threads"), InstanceMethod<&ThreadChoiceObject::limit>("limit"),
                        InstanceMethod<&ThreadChoiceObject::took>("took"), InstanceMethod<&ThreadChoiceObject::gave_up>("gaveUp")});
  }
  explicit ThreadChoiceObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), choice_(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value(), info[2].ToBoolean()) {}

 private:
  Napi::Value threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), choice_.threads()); }
  Napi::Value limit(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), choice_.limit(info[0].ToNumber().Int32Value())); }
  void took(const Napi::CallbackInfo& info) { choice_.took(info[0].ToNumber().Int32Value(), info[1].ToNumber().DoubleValue()); }
  void gave_up(const Napi::CallbackInfo&) { choice_.gave_up(); }
  ThreadChoice choice_;
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* here = new Environment();
  here->model = Napi::Persistent(ModelObject::define(env));
  here->sequence = Napi::Persistent(SequenceObject::define(env));
  here->stream = Napi::Persistent(StreamObject::define(env));
  env.SetInstanceData(here);
  exports.Set("open", Napi::Function::New(env, open));
  exports.Set("devices", Napi::Function::New(env, list_devices));
  exports.Set("loadBackend", Napi::Function::New(env, load_backend_file));
  exports.Set("tryDevice", Napi::Function::New(env, try_one_device));
  exports.Set("setLog", Napi::Function::New(env, set_log));
  exports.Set("load", Napi::Function::New(env, load));
  exports.Set("CachePolicy", CachePolicyObject::define(env));
  define_speculation_objects(env, exports);
  exports.Set("ThreadChoice", ThreadChoiceObject::define(env));
  return exports;
}

NODE_API_MODULE(streaming_llm, initialize)

}  // namespace
}  // namespace streaming
