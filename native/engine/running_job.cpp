#include "engine/running_job.h"

#include <algorithm>
#include <climits>
#include <string_view>
#include <utility>

#include "engine/llama_context.h"
#include "llama/probabilities.h"
#include "support/failure.h"

namespace streaming {
namespace {

const std::vector<Token>& tokens_of(const Job& job) {
  static const std::vector<Token> none;
  return std::visit(
      [](const auto& what) -> const std::vector<Token>& {
        if constexpr (requires { what.tokens; }) return what.tokens;
        else return none;
      },
      job.what);
}

}  // namespace

RunningJob::RunningJob(Job job, std::shared_ptr<const Model> model, CachedTokens& tokens,
                       std::unique_ptr<Speculation>& speculation)
    : job_(std::move(job)), model_(std::move(model)), tokens_(tokens), speculation_(speculation) {}

bool RunningJob::out_of_time() const {
  const auto* generate = generates();
  return generate && generate->time_limit_ms > 0 && milliseconds(Clock::now() - started_) > generate->time_limit_ms;
}

bool RunningJob::has_scored_all() const {
  const auto* score = job_.as<jobs::Score>();
  return score && scored_ == score->tokens.size();
}

bool RunningJob::may_continue() const {
  return !generates() || stream().waiting_tokens() < (tokens_.rebase_due() ? 1 : kRunAhead);
}

bool RunningJob::keeps_last() const {
  if (job_.is<jobs::Append>() || job_.is<jobs::Rebase>()) return true;
  if (tokens_.pending().size() < 2) return false;
  // When scoring, the last token is decoded alone. A recurrent state cannot drop its last token, so a checkpoint is
  // needed before it.
  return (job_.is<jobs::Score>() && tokens_.limits().kind != CachePolicy::recompute) ||
         (generates() && tokens_.has_checkpoints());
}

// ---- start

void RunningJob::add_tokens() {
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { what.turns; }) {
          tokens_.begin_turns(what.turns);
          tokens_.add(what.tokens);
        }
      },
      job_.what);
}

void RunningJob::start() {
  is_waiting_ = false;
  started_ = Clock::now();
}

void RunningJob::begin_prompt(std::function<bool()> should_continue) {
  const bool rebases = job_.is<jobs::Rebase>();
  if (tokens_.pending().empty() && !job_.is<jobs::Append>() && !rebases)
    throw Failure("INVALID_OPTION", "there is nothing yet that could be continued: append at least one token first");
  auto total = static_cast<int64_t>(tokens_.pending().size());
  if (const auto* generate = generates()) {
    generation_ = std::make_unique<Generation>(model_, *generate, tokens_.seen(), std::move(should_continue));
    generation_->replay(tokens_.last(generation_->lookback()));
    const bool speculates = generate->forced || (generate->speculation && Speculator::can_speculate(tokens_));
    if (speculates && !speculation_) {
      auto speculation = std::make_unique<Speculation>();
      for (const Token token : tokens_.last(NgramIndex::kCapacity)) speculation->index.append(token);
      speculation_ = std::move(speculation);
      tokens_.listen(&speculation_->index);
    }
  } else {
    total -= std::min<int64_t>(1, total);
  }
  prompt_total_ = total;
  if (!rebases) stream().add_prefill(0, prompt_total_);
}

int RunningJob::draft(Speculator& speculator, const Speculator::Room& room) const {
  const auto* generate = generates();
  if (speculation_) speculation_->matched = 0;
  if (!speculation_ || !generate || !(generate->speculation || generate->forced) ||
      !Speculator::can_speculate(tokens_) || in_prompt_ || tokens_.pending().rebasing() ||
      tokens_.pending().size() != 1)
    return 0;
  return speculator.draft(*speculation_, tokens_, *generate, generated_, room);
}

// ---- results of its batches

void RunningJob::report_evicted(int64_t tokens) {
  if (tokens > 0) stream().add_evicted(tokens, tokens_.evicted());
}

void RunningJob::report_prefill() {
  if (!in_prompt_ || job_.is<jobs::Rebase>() || tokens_.pending().rebasing() || scored_ > 0) return;
  const auto left = static_cast<int64_t>(tokens_.pending().size());
  const int64_t waiting = generates() ? left : std::max<int64_t>(0, left - 1);
  const int64_t done = prompt_total_ - std::min(prompt_total_, waiting);
  // Kept tokens may have to be decoded again in between; the reported progress does not go back.
  if (done > prompt_done_) stream().add_prefill(done, prompt_total_);
  prompt_done_ = std::max(prompt_done_, done);
}

void RunningJob::decoded(BatchEntry& entry, const LlamaContext& context, double elapsed_ms) {
  if (entry.drafts > 0) return decoded_with_drafts(entry, context, elapsed_ms);
  const bool may_roll_back = generates() && !in_prompt_;
  const Origin before = tokens_.origin(entry.tokens.back());
  const bool rebased = tokens_.commit(entry.step, entry.tokens.data(), std::move(entry.sinks), may_roll_back);
  report_evicted(entry.step.evict_to - entry.step.evict_from);
  if (rebased) stream().add_rebase(tokens_.policy().size());
  tokens_.check();

  report_prefill();
  if (in_prompt_) prompt_ms_ = milliseconds(Clock::now() - started_);
  else generation_ms_ += elapsed_ms;
  // Nothing in a prompt will be rolled back token by token.
  if (entry.logits_index < 0) return tokens_.release();
  const float* logits = context.logits(entry.logits_index);
  if (!logits) throw Failure("DECODE_FAILED", "llama.cpp gave no logits");
  in_prompt_ = false;
  if (job_.is<jobs::Score>()) {
    score(logits);
    return tokens_.release();
  }
  // After a batch of many, rolling back drops its last token only; what the batch evicted stays evicted.
  const bool exact = tokens_.has_checkpoints() || (entry.step.count == 1 && may_roll_back);
  if (!exact) tokens_.release();
  const Token token = sample(logits, exact ? before : tokens_.origin_within(entry.tokens.back()));
  if (!speculation_) return;
  speculation_->learn(token, 0);
  speculation_->matched = 0;
}

// What decoded() does, for a token and its drafts: one after another, as if each had been decoded by itself, so that
// evictions, records and rolling back are the same. Only what each token saw differs: tokens that the ones before it
// would have evicted were still there.
void RunningJob::decoded_with_drafts(BatchEntry& entry, const LlamaContext& context, double elapsed_ms) {
  generation_ms_ += elapsed_ms;
  drafted_ += entry.drafts;
  try {
    for (int place = 0;; place++) {
      const float* logits = context.logits(entry.logits_index + place);
      if (!logits) throw Failure("DECODE_FAILED", "llama.cpp gave no logits");
      const Token before = tokens_.pending().front();
      const Origin origin = tokens_.origin(before);
      const auto step = tokens_.policy().plan(1, true);
      tokens_.commit(step, &before, SequenceId(), true);
      report_evicted(step.evict_to - step.evict_from);
      const Token token = sample(logits, origin);
      if (place == entry.drafts) break;
      speculation_->learn(token, place);
      if (token != speculation_->drafts[static_cast<size_t>(place)]) break;
      accepted_++;
      if (finish_reason_) break;
    }
  } catch (const std::exception&) {
    tokens_.remove_uncommitted();
    throw;
  }
  speculation_->matched = 0;
  tokens_.remove_uncommitted();
  tokens_.check();
}

// Returns the token, which may have ended the job.
Token RunningJob::sample(const float* logits, const Origin& origin) {
  const auto& generate = *generates();
  auto& generation = *generation_;
  Token token = kNoToken;
  generated_++;
  try {
    token = generation.sample(logits, tokens_.seen());
  } catch (const std::exception&) {
    // Recorded as a token without text, which is rolled back at the job's end; the token that was decoded for it is
    // then pending again.
    tokens_.record(origin, kNoToken, generation.bytes() + 1, true);
    throw;
  }
  const bool ends = generation.is_eog(token);
  const std::string bytes = generation.bytes_of(token);
  generation.add_bytes(bytes.size());
  // The end of a turn is recorded like any token, and rolled back at once: the template writes it.
  tokens_.record(origin, token, generation.bytes() + (ends ? 1 : 0), bytes.empty());
  if (ends) {
    finish_reason_ = "end";
    return token;
  }
  auto output = generation.add(token, bytes, logits);
  if (output.bytes > 0 || bytes.empty())
    stream().add_text(output.text, output.bytes, output.bytes > 0 ? 1 : 0, std::move(output.probabilities));
  if (generation.stopped()) finish_reason_ = "stop";
  else if (generate.max_tokens > 0 && generated_ >= generate.max_tokens) finish_reason_ = "length";
  return token;
}

void RunningJob::score(const float* logits) {
  const Token token = job_.as<jobs::Score>()->tokens[scored_++];
  stream().add_scores({static_cast<float>(logits[token] - log_sum_exp(logits, model_->vocab_size()))});
  tokens_.add(token);
}

void RunningJob::requeue(CachedTokens::Requeue reason) {
  const int64_t evicted = tokens_.evicted();
  tokens_.requeue_kept_tokens(reason);
  report_evicted(tokens_.evicted() - evicted);
}

// ---- end

void RunningJob::end_if_due() {
  if (finish_reason_ && !ended_) finish(finish_reason_);
}

void RunningJob::interrupted(bool stopping) {
  if (!stopping && out_of_time()) finish("time");
}

void RunningJob::roll_back_to_delivered(size_t delivered) {
  const auto rolled_back = tokens_.roll_back_to_delivered(delivered, stream().cancelled());
  if (rolled_back.count == 0) return;
  generated_ -= rolled_back.count;
  const auto bytes = generation_->bytes_of(rolled_back.first);
  const size_t start = rolled_back.end - (bytes.empty() ? 1 : bytes.size());
  if (delivered <= start || bytes.empty()) return;
  // The text was cut within a token, by a stop string: its first part stays, in other tokens.
  tokens_.add_cut(model_->tokenize(std::string_view(bytes).substr(0, delivered - start), false), delivered);
}

void RunningJob::abort() {
  roll_back_to_delivered(stream().delivered_bytes());
  ended_ = false;
  finish("abort");
}

void RunningJob::finish(const char* reason, std::vector<uint8_t> state) {
  if (generation_ && !stream().cancelled()) {
    auto output = generation_->finish(std::string_view(reason) == "end");
    if (output.bytes > 0) stream().add_text(output.text, output.bytes, 1, std::move(output.probabilities));
    roll_back_to_delivered(emitted_bytes());
  }
  ended_ = true;
  const auto* generate = generates();
  const bool forced = generate && generate->forced;
  const bool speculated = forced || (generate && generate->speculation);
  stream().end(events::Finish{
      .reason = reason,
      .tokens = forced                        ? speculation_->index.last(generated_)
                : job_.is<jobs::ReadTokens>() ? tokens_.last(INT_MAX)
                                              : std::vector<Token>(),
      .state = std::move(state),
      .prompt_tokens = job_.is<jobs::Score>() ? 0 : static_cast<int64_t>(tokens_of(job_).size()),
      .reused_tokens = reused_,
      .completion_tokens = generated_,
      .drafted_tokens = speculated ? drafted_ : -1,
      .accepted_tokens = accepted_,
      .prompt_ms = prompt_ms_,
      .generation_ms = generation_ms_,
      .counts = counts(),
  });
}

void RunningJob::fail(const std::string& code, const std::string& message) {
  if (!ended_) {
    try {
      roll_back_to_delivered(emitted_bytes());
      if (tokens_.has_slot() && !tokens_.holds_newest()) tokens_.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
    } catch (const std::exception&) {
      tokens_.requeue_kept_tokens(CachedTokens::Requeue::lost_cells);
    }
  }
  ended_ = true;
  stream().end(events::Error{.code = code, .message = message, .counts = counts()});
}

events::Counts RunningJob::counts() const {
  return {tokens_.seen(), tokens_.seen() - tokens_.evicted(), tokens_.evicted()};
}

}  // namespace streaming
