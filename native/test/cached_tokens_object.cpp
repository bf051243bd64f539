#include "test/cached_tokens_object.h"

#include <algorithm>
#include <utility>

#include "addon/napi_values.h"
#include "addon/read_options.h"
#include "test/fake_cells.h"

namespace streaming {

class CachedTokensObject : public Napi::ObjectWrap<CachedTokensObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = CachedTokensObject;
    return DefineClass(
        env, "CachedTokens",
        {InstanceMethod<&Self::add>("add"), InstanceMethod<&Self::decode>("decode"),
         InstanceMethod<&Self::generate>("generate"), InstanceMethod<&Self::release_delivered>("releaseDelivered"),
         InstanceMethod<&Self::roll_back_to_delivered>("rollBackToDelivered"), InstanceMethod<&Self::retire>("retire"),
         InstanceMethod<&Self::rebase>("rebase"), InstanceMethod<&Self::requeue_if_full>("requeueIfFull"),
         InstanceMethod<&Self::cut>("cut"), InstanceMethod<&Self::replace_sinks>("replaceSinks"),
         InstanceMethod<&Self::swap_out>("swapOut"), InstanceMethod<&Self::take_slot>("takeSlot"),
         InstanceMethod<&Self::fork_from>("forkFrom"), InstanceMethod<&Self::share_prefix>("sharePrefix"),
         InstanceMethod<&Self::lose_newest_cell>("loseNewestCell"), InstanceMethod<&Self::fail_next>("failNext"),
         InstanceMethod<&Self::state>("state")});
  }

  // Where another is given, in its cache.
  explicit CachedTokensObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const auto options = info[0].As<Napi::Object>();
    const bool recurrent = options.Get("recurrent").ToBoolean();
    if (info[1].IsObject()) cells_ = Unwrap(info[1].As<Napi::Object>())->cells_;
    else cells_ = std::make_shared<FakeCells>(12, integer(options, "batchSize"), recurrent);
    tokens_ = std::make_unique<CachedTokens>(*cells_, MemoryKind{0, recurrent, false},
                                             read_limits(options, integer(options, "trainedLength")),
                                             integer(options, "rebaseAfter"), true);
  }

  const CachedTokens& tokens_of() const { return *tokens_; }

 private:
  template <class F>
  Napi::Value run(const Napi::CallbackInfo& info, F&& act) {
    return throwing(info.Env(), [&]() -> Napi::Value {
      act();
      tokens_->check();
      return info.Env().Undefined();
    });
  }

  Napi::Value add(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->add(streaming::tokens(info[0])); });
  }

  // The next pending tokens, so many at most.
  void decode_next(int count, bool may_roll_back) {
    tokens_->begin_round();
    const int waiting = static_cast<int>(tokens_->pending().size());
    count = tokens_->pending().decodable(std::min({count, waiting, tokens_->policy().room(), cells_->batch_size()}));
    const auto step = tokens_->policy().plan(count, count >= waiting - 1);
    SequenceId sinks = step.reanchor ? cells_->take_id() : SequenceId();
    if (step.reanchor) tokens_->decode_sinks(sinks, step.sinks_at);
    const auto claimed = tokens_->claim(step.count);
    Batch batch(cells_->batch_size());
    for (int i = 0; i < step.count; i++)
      batch.add(claimed[static_cast<size_t>(i)], step.first + i, tokens_->cells().current().get(), false);
    try {
      cells_->decode(batch);
    } catch (const Failure&) {
      tokens_->remove_uncommitted();
      throw;
    }
    tokens_->commit(step, claimed.data(), std::move(sinks), may_roll_back);
  }

  Napi::Value decode(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      decode_next(info[0].ToNumber().Int32Value(), false);
      tokens_->release();
    });
  }

  // The one pending token is decoded, and `token` with a byte of text is sampled from it.
  Napi::Value generate(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      if (tokens_->has_checkpoints()) tokens_->checkpoint_if_due();
      const auto origin = tokens_->origin(tokens_->pending().front());
      decode_next(1, true);
      tokens_->record(origin, info[0].ToNumber().Int32Value(), info[1].ToNumber().Uint32Value(), false);
    });
  }

  Napi::Value release_delivered(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->release_delivered(info[0].ToNumber().Uint32Value()); });
  }
  Napi::Value roll_back_to_delivered(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->roll_back_to_delivered(info[0].ToNumber().Uint32Value(), true); });
  }
  Napi::Value retire(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->retire(); });
  }
  Napi::Value rebase(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      if (tokens_->can_rebase()) tokens_->requeue_kept_tokens(CachedTokens::Requeue::rebase);
    });
  }
  // What the policy asks for where it cannot go on in place.
  Napi::Value requeue_if_full(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      if (tokens_->must_requeue()) tokens_->requeue_kept_tokens(CachedTokens::Requeue::full);
    });
  }
  Napi::Value cut(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->cut(info[0].ToNumber().Int64Value()); });
  }
  Napi::Value replace_sinks(const Napi::CallbackInfo& info) {
    // Growth that goes wrong: the cells are lost, or there is no memory, or both.
    return run(info, [&] {
      tokens_->replace_sinks(streaming::tokens(info[0]), [&] {
        if (info[1].ToBoolean()) tokens_->requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
        if (info[2].ToBoolean()) throw Failure("OUT_OF_MEMORY", "as the test has asked");
      });
    });
  }
  Napi::Value swap_out(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->swap_out(""); });
  }
  Napi::Value take_slot(const Napi::CallbackInfo& info) {
    return run(info, [&] { tokens_->take_slot(); });
  }
  Napi::Value fork_from(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      const auto& other = *Unwrap(info[0].As<Napi::Object>())->tokens_;
      tokens_->become_fork(other);
      if (other.has_slot()) tokens_->share_cells(other);
    });
  }
  Napi::Value share_prefix(const Napi::CallbackInfo& info) {
    return run(info, [&] {
      tokens_->share_prefix(*Unwrap(info[0].As<Napi::Object>())->tokens_, info[1].ToNumber().Int32Value());
    });
  }
  // The newest cell is gone.
  Napi::Value lose_newest_cell(const Napi::CallbackInfo& info) {
    cells_->lose(tokens_->cells().current().get(), tokens_->policy().next() - 1);
    return info.Env().Undefined();
  }
  Napi::Value fail_next(const Napi::CallbackInfo& info) {
    cells_->fail_next();
    return info.Env().Undefined();
  }

  Napi::Value state(const Napi::CallbackInfo& info) {
    const auto env = info.Env();
    auto object = Napi::Object::New(env);
    const auto& tokens = *tokens_;
    std::vector<Token> held;
    std::vector<Position> positions;
    if (tokens.has_slot()) {
      for (const auto& [position, token] : cells_->tokens(tokens.cells().current().get()))
        positions.push_back(position), held.push_back(token);
    }
    object.Set("cells", to_array(env, held)), object.Set("positions", to_array(env, positions));
    object.Set("kept", to_array(env, tokens.policy().kept()));
    object.Set("pending", to_array(env, std::vector<Token>(tokens.pending().begin(), tokens.pending().end())));
    object.Set("seen", static_cast<double>(tokens.seen())),
        object.Set("evicted", static_cast<double>(tokens.evicted()));
    object.Set("recorded", static_cast<double>(tokens.journal().size()));
    object.Set("hasSlot", tokens.has_slot()), object.Set("rebasing", tokens.pending().rebasing());
    object.Set("sinks", tokens.limits().sinks);
    object.Set("usedCells", static_cast<double>(cells_->used()));
    object.Set("usedIds", cells_->ids_in_use()), object.Set("decodes", cells_->decoded());
    return object;
  }

  std::shared_ptr<FakeCells> cells_;
  std::unique_ptr<CachedTokens> tokens_;
};

Napi::Function define_cached_tokens(Napi::Env env) { return CachedTokensObject::define(env); }

const CachedTokens& unwrap_cached_tokens(const Napi::Value& object) {
  return CachedTokensObject::Unwrap(object.As<Napi::Object>())->tokens_of();
}

}  // namespace streaming
