#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/batch_entry.h"
#include "engine/cached_tokens.h"
#include "engine/generation.h"
#include "engine/job.h"
#include "engine/speculator.h"
#include "llama/model.h"
#include "support/clock.h"

namespace streaming {

class LlamaContext;

// A job in progress on the tokens of one conversation: its progress, its events, its end. Decoded batches come in;
// tokens, text and scores go out. On the engine's thread.
class RunningJob {
 public:
  // `speculation` is the conversation's, made here once a job asks for it. All must outlive it but the job.
  RunningJob(Job job, std::shared_ptr<const Model> model, CachedTokens& tokens,
             std::unique_ptr<Speculation>& speculation);

  const Job& job() const { return job_; }
  const jobs::Generate* generates() const { return job_.as<jobs::Generate>(); }
  TokenStream& stream() const { return *job_.stream; }
  bool is_waiting() const { return is_waiting_; }
  bool ended() const { return ended_; }
  // False once tokens are generated or scored.
  bool in_prompt() const { return in_prompt_; }
  bool out_of_time() const;
  bool reproducible() const { return generates() && generates()->sampling.reproducible; }
  int64_t generated() const { return generated_; }
  // All tokens have been scored.
  bool has_scored_all() const;
  // False: the reader has fallen behind by the run-ahead, so no more tokens are generated for now.
  bool may_continue() const;
  // Whether the last pending token waits for what will follow it.
  bool keeps_last() const;

  // Adds the job's tokens to the conversation, where they stay however the job ends.
  void add_tokens();
  // It needs no slot, or will never get one.
  void stop_waiting() { is_waiting_ = false; }
  // It has a slot from now on.
  void start();
  // The tokens that are pending are its prompt. `should_continue` is asked in the midst of a grammar's work. Throws
  // Failure INVALID_OPTION.
  void begin_prompt(std::function<bool()> should_continue);
  void reused(int64_t tokens) { reused_ = tokens; }
  // Drafts for the next token.
  int draft(Speculator& speculator, const Speculator::Room& room) const;

  // Its entry has been decoded. Throws if no token can be chosen; the entry's tokens are in the cache then.
  void decoded(BatchEntry& entry, const LlamaContext& context, double elapsed_ms);
  // All of the round's logits have been read: ends the job if its last token does.
  void end_if_due();
  // Choosing the next token took too long, or the reader has left; in the latter case service() ends the job.
  void interrupted(bool stopping);

  // Rolls back every generated token whose text does not lie wholly within the first `delivered` bytes.
  void roll_back_to_delivered(size_t delivered);
  // The reader has left: rolls back what was not delivered.
  void abort();
  // Ends the job. Tokens behind the emitted text are rolled back.
  void finish(const char* reason, std::vector<uint8_t> state = {});
  // Ends with an error. The sequence stays as it was, and what was not emitted is rolled back.
  void fail(const std::string& code, const std::string& message);
  // Requeues what the policy cannot keep in place, or tokens whose positions are too high, and reports evictions.
  void requeue(CachedTokens::Requeue reason);
  // Adds an event for evicted tokens to the stream.
  void report_evicted(int64_t tokens);

 private:
  void decoded_with_drafts(BatchEntry& entry, const LlamaContext& context, double elapsed_ms);
  void report_prefill();
  Token sample(const float* logits, const Origin& origin);
  void score(const float* logits);
  // Bytes of the reply whose text has been put into the stream.
  size_t emitted_bytes() const { return generation_ ? generation_->emitted_bytes() : 0; }
  events::Counts counts() const;

  Job job_;
  const std::shared_ptr<const Model> model_;
  CachedTokens& tokens_;
  std::unique_ptr<Speculation>& speculation_;
  std::unique_ptr<Generation> generation_;  // from begin_prompt() on, where the job generates
  int64_t generated_ = 0, drafted_ = 0, accepted_ = 0;
  int64_t prompt_total_ = 0, prompt_done_ = 0;
  int64_t reused_ = 0;  // of these, tokens that another conversation had decoded
  size_t scored_ = 0;
  bool is_waiting_ = true, in_prompt_ = true, ended_ = false;
  const char* finish_reason_ = nullptr;  // the reason for which it ends, once all of the round's logits have been read
  Clock::time_point started_ = Clock::now();
  double prompt_ms_ = 0, generation_ms_ = 0;
};

}  // namespace streaming
