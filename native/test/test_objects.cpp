#include "test/test_objects.h"

#include <atomic>

#include "addon/napi_values.h"
#include "addon/read_options.h"
#include "engine/speculator.h"
#include "llama/grammar_matcher.h"
#include "llama/llama_library.h"
#include "llama/thread_choice.h"
#include "llama/trigger_watch.h"
#include "policy/cache_policy.h"
#include "test/cached_tokens_object.h"
#include "test/pending_tokens_object.h"
#include "test/scheduler_object.h"
#include "test/slot_table_object.h"

namespace streaming {
namespace {

class CachePolicyObject : public Napi::ObjectWrap<CachePolicyObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "CachePolicy",
        {InstanceMethod<&CachePolicyObject::append>("append"),
         InstanceMethod<&CachePolicyObject::begin_turn>("beginTurn"), InstanceMethod<&CachePolicyObject::cut>("cut"),
         InstanceMethod<&CachePolicyObject::room>("room"), InstanceMethod<&CachePolicyObject::mark>("mark"),
         InstanceMethod<&CachePolicyObject::rollback>("rollback"),
         InstanceMethod<&CachePolicyObject::release>("release"),
         InstanceMethod<&CachePolicyObject::must_restart>("mustRestart"),
         InstanceMethod<&CachePolicyObject::restart>("restart"), InstanceMethod<&CachePolicyObject::state>("state")});
  }
  explicit CachePolicyObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), cache_(throwing(info.Env(), [&] {
          const auto options = info[0].As<Napi::Object>();
          return make_cache_policy(read_limits(options, integer(options, "trainedLength")));
        })) {}

 private:
  void append(const Napi::CallbackInfo& info) {
    const auto added = tokens(info[0]);
    cache_->commit(cache_->plan(static_cast<int>(added.size()), info[1].ToBoolean()), added.data());
  }
  void begin_turn(const Napi::CallbackInfo& info) { cache_->begin_turn(info[0].ToNumber().Int32Value()); }
  Napi::Value cut(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), cache_->cut(info[0].ToNumber().Int32Value()));
  }
  Napi::Value room(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), cache_->room()); }
  Napi::Value mark(const Napi::CallbackInfo& info) {
    marks_.push_back(cache_->mark());
    return Napi::Number::New(info.Env(), static_cast<double>(marks_.size() - 1));
  }
  Napi::Value rollback(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), cache_->rollback(marks_.at(info[0].ToNumber().Uint32Value())));
  }
  void release(const Napi::CallbackInfo& info) { cache_->release(marks_.at(info[0].ToNumber().Uint32Value())); }
  Napi::Value must_restart(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), cache_->must_restart(info[0].ToNumber().Uint32Value()));
  }
  Napi::Value restart(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto restart = cache_->restart(info[0].ToNumber().Uint32Value());
    auto object = Napi::Object::New(env);
    object.Set("toDecode", to_array(env, restart.to_decode)),
        object.Set("skipped", static_cast<double>(restart.skipped)),
        object.Set("evicted", static_cast<double>(restart.evicted));
    return object;
  }
  Napi::Value state(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    const auto mark = cache_->mark();
    auto object = Napi::Object::New(env);
    object.Set("base", mark.base), object.Set("oldest", mark.oldest), object.Set("next", cache_->next()),
        object.Set("size", cache_->size());
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
    return DefineClass(
        env, "ThreadChoice",
        {InstanceMethod<&ThreadChoiceObject::threads>("threads"), InstanceMethod<&ThreadChoiceObject::limit>("limit"),
         InstanceMethod<&ThreadChoiceObject::observe>("observe"),
         InstanceMethod<&ThreadChoiceObject::gave_up>("gaveUp")});
  }
  explicit ThreadChoiceObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        choice_(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int32Value(), info[2].ToBoolean()) {}

 private:
  Napi::Value threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), choice_.threads()); }
  Napi::Value limit(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), choice_.limit(info[0].ToNumber().Int32Value()));
  }
  void observe(const Napi::CallbackInfo& info) {
    choice_.observe(info[0].ToNumber().Int32Value(), info[1].ToNumber().DoubleValue());
  }
  void gave_up(const Napi::CallbackInfo&) { choice_.gave_up(); }
  ThreadChoice choice_;
};

class NgramIndexObject : public Napi::ObjectWrap<NgramIndexObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NgramIndex",
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
    object.Set("matched", match.length), object.Set("next", static_cast<double>(match.next)),
        object.Set("tokens", to_array(env, proposed));
    return object;
  }
  Napi::Value last(const Napi::CallbackInfo& info) {
    return to_array(info.Env(), index_.last(info[0].ToNumber().Int64Value()));
  }

  NgramIndex index_;
};

class DraftLengthObject : public Napi::ObjectWrap<DraftLengthObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "DraftLength",
        {InstanceMethod<&DraftLengthObject::observe>("observe"), InstanceMethod<&DraftLengthObject::learn>("learn"),
         InstanceMethod<&DraftLengthObject::estimate>("estimate"), InstanceMethod<&DraftLengthObject::rate>("rate"),
         InstanceMethod<&DraftLengthObject::choose>("choose")});
  }
  explicit DraftLengthObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  void observe(const Napi::CallbackInfo& info) {
    cost_.observe(info[0].ToNumber().Int32Value(), info[1].ToNumber().DoubleValue());
  }
  void learn(const Napi::CallbackInfo& info) {
    acceptance_.learn(info[0].ToNumber().Int32Value(), info[1].ToBoolean());
  }
  Napi::Value estimate(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), cost_.estimate(info[0].ToNumber().Int32Value()));
  }
  Napi::Value rate(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), acceptance_.rate(info[0].ToNumber().Int32Value()));
  }
  Napi::Value choose(const Napi::CallbackInfo& info) {
    const auto argument = [&](size_t i) { return info[i].ToNumber().Int32Value(); };
    return Napi::Number::New(info.Env(),
                             choose_draft_length(acceptance_, cost_, argument(0), argument(1), argument(2)));
  }

  BatchCost cost_;
  Acceptance acceptance_;
};

// ---- decodes that fail, as on a device that is lost

std::atomic<Token> failing_token{-1};
decltype(LlamaLibrary::llama_decode) real_decode = nullptr;

int32_t failing_decode(llama_context* context, llama_batch batch) {
  for (int i = 0; i < batch.n_tokens; i++) {
    if (batch.token[i] == failing_token) return -3;
  }
  return real_decode(context, batch);
}

// Every batch that has this token fails from now on; -1: none does. In all contexts of the process.
void fail_decodes(const Napi::CallbackInfo& info) {
  failing_token = info[0].ToNumber().Int32Value();
  if (real_decode) return;
  real_decode = llama().llama_decode;
  const_cast<LlamaLibrary&>(llama()).llama_decode = failing_decode;
}
class GrammarMatcherObject : public Napi::ObjectWrap<GrammarMatcherObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "GrammarMatcher", {InstanceMethod<&GrammarMatcherObject::match>("match")});
  }
  explicit GrammarMatcherObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        matcher_(throwing(info.Env(),
                          [&] {
                            return std::make_shared<const GrammarRules>(
                                info[0].ToString().Utf8Value(),
                                [](const std::string&) { return std::optional<Token>(0); });
                          })),
        max_steps_(info[1].IsNumber() ? info[1].ToNumber().Int64Value() : GrammarBudget::kMaxSteps) {}

 private:
  // Of a text's bytes: how many a text of the grammar can begin with, whether it may end there, and the steps of the
  // dearest.
  Napi::Value match(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    return throwing(env, [&]() -> Napi::Value {
      const auto bytes = info[0].As<Napi::Uint8Array>();
      GrammarBudget budget(nullptr, max_steps_);
      auto point = matcher_.start(budget);
      size_t taken = 0;
      int64_t max_spent = budget.spent();
      for (; point.alive() && taken < bytes.ByteLength(); taken++) {
        budget.next_token();
        const auto next = matcher_.after(point, bytes.Data()[taken], budget);
        max_spent = std::max(max_spent, budget.spent());
        if (!next.alive()) break;
        point = matcher_.collect_garbage(next);
      }
      auto object = Napi::Object::New(env);
      object.Set("taken", static_cast<double>(taken)), object.Set("complete", matcher_.complete(point)),
          object.Set("steps", static_cast<double>(max_spent));
      return object;
    });
  }
  GrammarMatcher matcher_;
  const int64_t max_steps_;
};

class TriggerWatchObject : public Napi::ObjectWrap<TriggerWatchObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TriggerWatch", {InstanceMethod<&TriggerWatchObject::read>("read")});
  }
  explicit TriggerWatchObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), watch_(texts(info[0]), {info[1].ToString().Utf8Value(), info[2].ToString().Utf8Value()}) {
    watch_.pass(reply_, info[3].ToString().Utf8Value());
  }

 private:
  // How many bytes from the trigger on have been read, or -1; and how many bytes are kept.
  Napi::Value read(const Napi::CallbackInfo& info) {
    const size_t begin = watch_.read(reply_, info[0].ToString().Utf8Value());
    const auto kept = static_cast<double>(reply_.latest.size());
    auto object = Napi::Object::New(info.Env());
    object.Set("triggered", begin == TriggerWatch::kNone ? -1.0 : kept - static_cast<double>(begin));
    object.Set("kept", kept);
    return object;
  }
  const TriggerWatch watch_;
  TriggerWatch::Reply reply_;
};

}  // namespace

void define_test_objects(Napi::Env env, Napi::Object exports) {
  exports.Set("CachePolicy", CachePolicyObject::define(env));
  exports.Set("ThreadChoice", ThreadChoiceObject::define(env));
  exports.Set("NgramIndex", NgramIndexObject::define(env));
  exports.Set("GrammarMatcher", GrammarMatcherObject::define(env));
  exports.Set("TriggerWatch", TriggerWatchObject::define(env));
  exports.Set("PendingTokens", define_pending_tokens(env));
  exports.Set("CachedTokens", define_cached_tokens(env));
  exports.Set("SlotTable", define_slot_table(env));
  exports.Set("Scheduler", define_scheduler(env));
  exports.Set("DraftLength", DraftLengthObject::define(env));
  exports.Set("failDecodes", Napi::Function::New<fail_decodes>(env, "failDecodes"));
}

}  // namespace streaming
