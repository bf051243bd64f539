// What JavaScript sees of the comparisons; research/evaluation/addon.ts is its type. Everything here runs on
// JavaScript's thread unless it says otherwise.
#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/javascript_thread.h"
#include "addon/napi_values.h"
#include "attention.h"
#include "quantize.h"
#include "shift_score.h"
#include "support/failure.h"

namespace streaming {
namespace {

Napi::Float64Array to_array(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

// Tells a listener how far something is: the latest of what it was told while it had no time.
class Progress : public std::enable_shared_from_this<Progress> {
 public:
  // JavaScript's thread. `listener` may be empty.
  static std::shared_ptr<Progress> make(Napi::Env env, Napi::Function listener) {
    auto progress = std::make_shared<Progress>();
    if (listener.IsEmpty()) return progress;
    progress->listener_ = Napi::Persistent(listener);
    progress->thread_ = JavaScriptThread::make(env, "streaming-llm progress");
    progress->thread_->unref(env);  // the work itself keeps the process alive
    progress->thread_->at_end([progress] { progress->listener_.Reset(); });
    return progress;
  }
  // Any thread.
  void tell(size_t done) {
    done_ = done;
    if (!thread_ || told_.exchange(true)) return;
    thread_->post([self = shared_from_this()](Napi::Env env) { self->pass_on(env); });
  }
  // JavaScript's thread: what it has been told last, at once.
  void pass_on(Napi::Env env) {
    if (!told_.exchange(false) || listener_.IsEmpty()) return;
    try {
      listener_.Call({Napi::Number::New(env, static_cast<double>(done_))});
    } catch (const Napi::Error&) {
      // What a progress bar throws does not stop the work.
    }
  }
  // JavaScript's thread. Nothing is told any more.
  void close() {
    listener_.Reset();
    if (thread_) thread_->close();
  }

 private:
  Napi::FunctionReference listener_;
  std::shared_ptr<JavaScriptThread> thread_;
  std::atomic<size_t> done_{0};
  std::atomic<bool> told_{false};
};

// Work on a thread of libuv's pool; a Failure rejects the promise.
class Worker : public Napi::AsyncWorker {
 public:
  Worker(Napi::Env env, Napi::Function progress)
      : AsyncWorker(env), deferred(env), progress_(Progress::make(env, progress)) {}
  ~Worker() override { progress_->close(); }
  // On the pool's thread.
  virtual void work(Progress& progress) = 0;
  virtual Napi::Value result() = 0;

  void Execute() override {
    try {
      work(*progress_);
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    } catch (const std::exception& error) {  // memory
      failure_ = std::make_unique<Failure>("OUT_OF_MEMORY", error.what());
    }
  }
  void OnOK() override {
    progress_->pass_on(Env());
    if (failure_) deferred.Reject(to_error(Env(), *failure_).Value());
    else deferred.Resolve(result());
  }
  Napi::Promise::Deferred deferred;

 private:
  const std::shared_ptr<Progress> progress_;
  std::unique_ptr<Failure> failure_;
};

class QuantizeWorker : public Worker {
 public:
  QuantizeWorker(Napi::Env env, std::string source, std::string target, std::string type, int threads)
      : Worker(env, Napi::Function()),
        source_(std::move(source)),
        target_(std::move(target)),
        type_(std::move(type)),
        threads_(threads) {}
  void work(Progress&) override { quantize(source_, target_, type_, threads_); }
  Napi::Value result() override { return Env().Undefined(); }

 private:
  const std::string source_, target_, type_;
  const int threads_;
};

class ScoreWorker : public Worker {
 public:
  ScoreWorker(Napi::Env env, Napi::Function progress, std::string path, std::vector<Token> tokens,
              const ShiftScoring& options)
      : Worker(env, progress), path_(std::move(path)), tokens_(std::move(tokens)), options_(options) {}
  void work(Progress& progress) override {
    const auto model = Model::load(path_, Weights::LoadOptions(), false, [](float) { return true; });
    scores_ = score_by_shift(*model, tokens_, options_, [&](size_t done) { progress.tell(done); });
  }
  Napi::Value result() override {
    auto object = Napi::Object::New(Env());
    object.Set("nll", to_array(Env(), scores_.nll));
    object.Set("milliseconds", to_array(Env(), scores_.milliseconds));
    return object;
  }

 private:
  const std::string path_;
  const std::vector<Token> tokens_;
  const ShiftScoring options_;
  ShiftScores scores_;
};

class AttentionWorker : public Worker {
 public:
  AttentionWorker(Napi::Env env, Napi::Function progress, std::string path, std::vector<Token> tokens, int length,
                  int threads)
      : Worker(env, progress), path_(std::move(path)), tokens_(std::move(tokens)), length_(length), threads_(threads) {}
  void work(Progress& progress) override {
    const auto model = Model::load(path_, Weights::LoadOptions(), false, [](float) { return true; });
    maps_ = attention_maps(*model, tokens_, length_, threads_, [&](size_t done) { progress.tell(done); });
  }
  Napi::Value result() override {
    auto object = Napi::Object::New(Env());
    object.Set("layers", maps_.layers);
    object.Set("length", maps_.length);
    object.Set("weights", to_array(Env(), maps_.weights));
    return object;
  }

 private:
  const std::string path_;
  const std::vector<Token> tokens_;
  const int length_, threads_;
  AttentionMaps maps_;
};

Napi::Value open(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  try {
    const auto paths = info[0].As<Napi::Object>();
    const auto& library = LlamaLibrary::open({text(paths, "llama"), text(paths, "ggml"), text(paths, "ggmlBase"),
                                              texts(paths, "cpuBackends"), texts(paths, "accelerators")});
    return Napi::String::New(env, library.llama_version());
  } catch (const Failure& failure) {
    throw to_error(env, failure);
  }
}

Napi::Value start(Worker* worker) {
  const auto promise = worker->deferred.Promise();
  worker->Queue();
  return promise;
}

Napi::Value quantize_call(const Napi::CallbackInfo& info) {
  return start(new QuantizeWorker(info.Env(), info[0].ToString().Utf8Value(), info[1].ToString().Utf8Value(),
                                  info[2].ToString().Utf8Value(), info[3].ToNumber().Int32Value()));
}

ggml_type kv_type(const std::string& name) {
  if (name == "f32") return GGML_TYPE_F32;
  if (name == "bf16") return GGML_TYPE_BF16;
  if (name == "q8_0") return GGML_TYPE_Q8_0;
  if (name == "q5_1") return GGML_TYPE_Q5_1;
  if (name == "q4_1") return GGML_TYPE_Q4_1;
  if (name == "q4_0") return GGML_TYPE_Q4_0;
  return GGML_TYPE_F16;
}

Napi::Value score(const Napi::CallbackInfo& info) {
  const auto from = info[0].As<Napi::Object>();
  ShiftScoring options;
  options.policy = text(from, "policy") == "half" ? ShiftScoring::half : ShiftScoring::shift;
  options.sinks = integer(from, "sinks");
  options.window = integer(from, "window");
  options.threads = integer(from, "threads");
  options.kv_type = kv_type(text(from, "kv"));
  const auto flash = text(from, "flashAttention");
  options.flash_attention = flash == "on"    ? LLAMA_FLASH_ATTN_TYPE_ENABLED
                            : flash == "off" ? LLAMA_FLASH_ATTN_TYPE_DISABLED
                                             : LLAMA_FLASH_ATTN_TYPE_AUTO;
  const auto tokens = from.Get("tokens").As<Napi::Int32Array>();
  return start(new ScoreWorker(info.Env(), info[1].As<Napi::Function>(), text(from, "model"),
                               {tokens.Data(), tokens.Data() + tokens.ElementLength()}, options));
}

Napi::Value attention(const Napi::CallbackInfo& info) {
  const auto from = info[0].As<Napi::Object>();
  const auto tokens = from.Get("tokens").As<Napi::Int32Array>();
  return start(new AttentionWorker(info.Env(), info[1].As<Napi::Function>(), text(from, "model"),
                                   {tokens.Data(), tokens.Data() + tokens.ElementLength()}, integer(from, "length"),
                                   integer(from, "threads")));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, open));
  exports.Set("quantize", Napi::Function::New(env, quantize_call));
  exports.Set("score", Napi::Function::New(env, score));
  exports.Set("attention", Napi::Function::New(env, attention));
  return exports;
}

NODE_API_MODULE(streaming_llm_evaluation, initialize)

}  // namespace
}  // namespace streaming
