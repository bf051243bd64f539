#include "addon/model_object.h"

#include <atomic>
#include <optional>

#include "addon/delivery.h"
#include "addon/environment.h"
#include "addon/napi_values.h"
#include "addon/read_options.h"
#include "addon/sequence_object.h"
#include "llama/grammar_triggers.h"

namespace streaming {
namespace {

const std::map<std::string, Embedder::Pooling> kPoolings{
    {"mean", Embedder::mean}, {"last", Embedder::last}, {"cls", Embedder::first}};

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

// Tokenizes on one of Node's own threads. Holds the model, which may be closed meanwhile.
class TokenizeWorker : public Napi::AsyncWorker {
 public:
  TokenizeWorker(Napi::Env env, std::shared_ptr<const Model> model, std::string text, bool special)
      : AsyncWorker(env), deferred(env), model_(std::move(model)), text_(std::move(text)), special_(special) {}
  void Execute() override {
    try {
      tokens_ = model_->tokenize(text_, special_);
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::exception& error) {
      failure_ = Failure("OUT_OF_MEMORY", std::string("there is no memory to tokenize this text: ") + error.what());
    }
  }
  void OnOK() override {
    if (failure_) deferred.Reject(to_error(Env(), *failure_).Value());
    else deferred.Resolve(to_array(Env(), tokens_));
  }
  Napi::Promise::Deferred deferred;

 private:
  const std::shared_ptr<const Model> model_;
  const std::string text_;
  const bool special_;
  std::vector<Token> tokens_;
  std::optional<Failure> failure_;
};

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceAccessor<&ModelObject::info>("info"), InstanceAccessor<&ModelObject::cells>("cells"),
       InstanceAccessor<&ModelObject::loaded>("loaded"), InstanceMethod<&ModelObject::open_sequence>("openSequence"),
       InstanceMethod<&ModelObject::tokenize>("tokenize"),
       InstanceMethod<&ModelObject::tokenize_later>("tokenizeLater"),
       InstanceMethod<&ModelObject::detokenize>("detokenize"),
       InstanceMethod<&ModelObject::impossible_trigger>("impossibleTrigger"),
       InstanceMethod<&ModelObject::embed>("embed"), InstanceMethod<&ModelObject::release_embedder>("releaseEmbedder"),
       InstanceMethod<&ModelObject::close>("close")});
}

void ModelObject::init(std::shared_ptr<Model> model, const ContextOptions& options) {
  engine_ = std::make_shared<Engine>(model, options);
  embedder_ = std::make_shared<Embedder>(model, options);
  model_ = std::move(model);
}

void ModelObject::check_open() const {
  if (!model_) throw Failure("CLOSED", "the model is closed");
}

Napi::Value ModelObject::info(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return throwing(env, [&]() -> Napi::Value {
    check_open();
    const auto& f = llama();
    const auto& info = model_->info();
    const auto* vocab = model_->vocab();
    auto object = Napi::Object::New(env);
    const auto set = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
    const auto flag = [&](const char* name, bool value) { object.Set(name, Napi::Boolean::New(env, value)); };
    object.Set("description", info.description);
    set("parameters", static_cast<double>(info.parameters));
    set("sizeBytes", static_cast<double>(info.size_bytes));
    set("layers", info.layers);
    set("trainedLength", info.trained_length);
    set("vocabularySize", model_->vocab_size());
    set("slidingWindow", info.sliding_window);
    flag("hasTokenizer", model_->has_tokenizer());
    flag("hasEncoder", info.encoder);
    flag("hasDecoder", info.decoder);
    flag("isRecurrent", info.recurrent);
    flag("isHybrid", info.hybrid);
    flag("isDiffusion", info.diffusion);
    flag("hasPositions", info.positions);
    if (!info.chat_template.empty()) object.Set("chatTemplate", info.chat_template);
    const auto text_of = [&](Token token) {
      return token >= 0 && token < model_->vocab_size() ? std::string(f.llama_vocab_get_text(vocab, token))
                                                        : std::string();
    };
    const Token bos = model_->bos();
    if (bos >= 0) set("bosToken", bos);
    if (model_->has_tokenizer()) {
      // Whichever the vocabulary has, by their metadata or by the texts that llama.cpp knows.
      const std::vector<std::pair<const char*, Token>> fill{{"prefix", f.llama_vocab_fim_pre(vocab)},
                                                            {"suffix", f.llama_vocab_fim_suf(vocab)},
                                                            {"middle", f.llama_vocab_fim_mid(vocab)}};
      auto tokens = Napi::Object::New(env);
      for (const auto& [name, token] : fill) {
        if (token >= 0 && token < model_->vocab_size()) tokens.Set(name, Napi::Number::New(env, token));
      }
      object.Set("fillTokens", tokens);
    }
    object.Set("bosText", model_->has_tokenizer() ? text_of(f.llama_vocab_bos(vocab)) : "");
    object.Set("eosText", model_->has_tokenizer() ? text_of(f.llama_vocab_eos(vocab)) : "");
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

Napi::Value ModelObject::cells(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), engine_ ? engine_->cells() : 0);
}

Napi::Value ModelObject::loaded(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), model_ && model_->loaded());
}

Napi::Value ModelObject::open_sequence(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return throwing(env, [&]() -> Napi::Value {
    check_open();
    const auto options = call[0].As<Napi::Object>();
    const auto limits = read_limits(options, model_->info().trained_length);
    const bool bounded = limits.kind == CachePolicy::streaming && limits.reanchor_every != CachePolicy::kNever;
    if (bounded &&
        static_cast<int64_t>(limits.sinks) + limits.window + limits.reanchor_every + 1 > limits.trained_length) {
      throw Failure("WINDOW_TOO_LARGE",
                    "sinks + window + reanchorEvery + 1 must not be larger than the " +
                        std::to_string(limits.trained_length) +
                        " tokens that the model was trained on; the window may have at most " +
                        std::to_string(limits.trained_length - limits.sinks - limits.reanchor_every - 1));
    }
    const int handle = engine_->open(limits, integer(options, "rebaseAfter"), options.Get("verify").ToBoolean());
    const auto object = environment(env).sequence.New({});
    SequenceObject::Unwrap(object)->init(engine_, model_, handle);
    return object;
  });
}

Napi::Value ModelObject::tokenize(const Napi::CallbackInfo& call) {
  return throwing(call.Env(), [&]() -> Napi::Value {
    check_open();
    const size_t part_bytes = call[2].IsNumber() ? call[2].ToNumber().Uint32Value() : Tokenizer::kPartBytes;
    return to_array(call.Env(), model_->tokenize(call[0].ToString().Utf8Value(), call[1].ToBoolean(), part_bytes));
  });
}

Napi::Value ModelObject::tokenize_later(const Napi::CallbackInfo& call) {
  return throwing(call.Env(), [&]() -> Napi::Value {
    check_open();
    auto* worker = new TokenizeWorker(call.Env(), model_, call[0].ToString().Utf8Value(), call[1].ToBoolean());
    const auto promise = worker->deferred.Promise();
    worker->Queue();
    return promise;
  });
}

Napi::Value ModelObject::detokenize(const Napi::CallbackInfo& call) {
  return throwing(call.Env(), [&]() -> Napi::Value {
    check_open();
    return Napi::String::New(call.Env(), model_->detokenize(tokens(call[0]), call[1].ToBoolean()));
  });
}

// Works on a closed model, too: the answer does not depend on it.
Napi::Value ModelObject::impossible_trigger(const Napi::CallbackInfo& call) {
  const auto found = streaming::impossible_trigger(call[0].ToString().Utf8Value(), texts(call[1]));
  return Napi::Number::New(call.Env(), found ? static_cast<double>(*found) : -1);
}

Napi::Value ModelObject::embed(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  return throwing(env, [&]() -> Napi::Value {
    check_open();
    const auto options = call[0].As<Napi::Object>();
    auto aborted = std::make_shared<std::atomic<bool>>(false);
    Embedder::Request request{texts(options, "texts"), named(options, "pooling", kPoolings),
                              options.Get("normalize").ToBoolean(), integer(options, "maxTokens")};
    auto result = Napi::Object::New(env);
    result.Set("promise", deliver(env, *embedder_, [embedder = embedder_.get(), request = std::move(request), aborted] {
                 return embedder->embed(request, *aborted);
               }));
    result.Set("abort", Napi::Function::New(env, [aborted](const Napi::CallbackInfo&) { *aborted = true; }));
    return result;
  });
}

Napi::Value ModelObject::release_embedder(const Napi::CallbackInfo& call) {
  return throwing(call.Env(), [&]() -> Napi::Value {
    check_open();
    return deliver(call.Env(), *embedder_, [embedder = embedder_.get()] {
      embedder->release();
      return std::vector<std::vector<float>>();
    });
  });
}

Napi::Value ModelObject::close(const Napi::CallbackInfo& call) {
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

}  // namespace streaming
