// One round of the engine: a batch of all that is ready, its decode, and what becomes of it.
#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/engine_part.h"
#include "llama/batch.h"
#include "support/failure.h"

namespace streaming {

// One round. False: nothing is ready, wait for a command or a reader.
bool Engine::step() {
  drop_cancelled();
  for (auto& [handle, sequence] : sequences_) {
    sequence.in_batch = false;
    if (sequence.running && !sequence.running->waiting) attend(sequence);
  }
  admit();  // whoever has just ended may give up a place
  Batch& batch = *batch_;
  batch.clear();
  drafts_added_ = 0;
  std::vector<Part> parts;
  // Single tokens first, then prompts, each from where the last batch left off.
  for (const bool prompts : {false, true}) {
    prompts_added_ = 0;
    if (prompts) prompt_room_ = pace_.prompt_room(static_cast<int>(parts.size()), batch.left());
    std::vector<Sequence*> order;
    for (auto at = sequences_.lower_bound(first_served_); at != sequences_.end(); ++at) order.push_back(&at->second);
    for (auto at = sequences_.begin(); at != sequences_.lower_bound(first_served_); ++at) order.push_back(&at->second);
    for (Sequence* sequence : order) {
      if (!ready(*sequence) || (sequence->pending.size() > 1) != prompts) continue;
      if (prompts && waits_for_beginning(*sequence)) continue;
      bool has_room = true;
      attempt(*sequence, [&] { has_room = add_part(batch, *sequence, parts); });
      if (!has_room) break;
    }
  }
  if (parts.empty()) return false;
  const auto next = sequences_.upper_bound(first_served_);
  first_served_ = next == sequences_.end() ? 0 : next->first;

  decode_parts(batch, parts);
  return true;
}

// Where a batch of several cannot be decoded, each part is decoded by itself, so that none fails for another's sake.
void Engine::decode_parts(Batch& batch, std::vector<Part>& parts) {
  const auto begin = Clock::now();
  try {
    decode(batch);
  } catch (const Failure& failure) {
    if (parts.size() == 1 || commands_.stopping()) {
      for (auto& part : parts) give_up(part, failure);
      return;
    }
    for (auto& part : parts) {
      std::vector<Part> alone;
      alone.push_back(std::move(part));
      Part& only = alone.front();
      // What a failure has made begin again comes with a later batch.
      if (!only.sequence->in_batch) {
        continue;
      }
      batch.clear();
      if (only.scratch && !only.sinks_apart) context_.remove(only.scratch, -1, -1);
      put(batch, only);
      decode_parts(batch, alone);
    }
    return;
  }
  // A GPU may still be computing; asking for logits waits for it, so that times are what they seem.
  const auto asked = std::find_if(parts.begin(), parts.end(), [](const Part& part) { return part.logits_index >= 0; });
  if (asked != parts.end()) context_.logits(asked->logits_index);
  const double elapsed = milliseconds(Clock::now() - begin);
  const auto singles =
      std::count_if(parts.begin(), parts.end(), [](const Part& part) { return part.step.count == 1 && !part.scratch; });
  const bool drafts = std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.drafts > 0; });
  if (singles == static_cast<std::ptrdiff_t>(parts.size())) batch_cost_.took(batch.size(), elapsed);
  if (!drafts)
    pace_.took(static_cast<int>(
                   std::count_if(parts.begin(), parts.end(), [](const Part& part) { return part.step.count == 1; })),
               batch.size(), elapsed);
  complete(parts, elapsed);
}

// A part that could not be decoded: its sequence stays as it was, its job fails.
void Engine::give_up(Part& part, const Failure& failure) {
  part.scratch.reset();
  fail(*part.sequence, failure.code, failure.what());
}

// The batch of these parts has been decoded.
void Engine::complete(std::vector<Part>& parts, double elapsed_ms) {
  // Who ends may have tokens taken back, which can take a decode; so all of this one's logits are read before.
  std::vector<std::pair<Sequence*, std::exception_ptr>> ended;
  for (auto& part : parts) {
    try {
      after_decode(part, elapsed_ms);
    } catch (const std::exception&) {
      ended.emplace_back(part.sequence, std::current_exception());
      part.scratch.reset();  // what takes tokens back may need the id
    }
  }
  for (const auto& [sequence, thrown] : ended) {
    attempt(*sequence, [&] {
      try {
        std::rethrow_exception(thrown);
      } catch (const Failure& failure) {
        if (failure.code != kInterrupted) throw;
        end_interrupted(*sequence);
      }
    });
  }
  for (auto& part : parts) {
    auto& running = *part.sequence->running;
    if (running.ending && !running.ended) attempt(*part.sequence, [&] { finish(*part.sequence, running.ending); });
  }
}

// What is due to a sequence's job before the next batch.
void Engine::attend(Sequence& sequence) {
  auto& running = *sequence.running;
  auto& stream = *running.job.stream;
  attempt(sequence, [&] {
    if (stream.closed()) return;  // all that was due has been taken
    if (stream.cancelled()) {
      take_back(sequence, stream.delivered_bytes());
      running.ended = false;
      finish(sequence, "abort");
      return;
    }
    settle_delivered(sequence);
    if (running.ended) return;
    if (late(running)) {
      finish(sequence, "time");
      return;
    }
    const auto kind = running.job.kind;
    if (kind == Job::score && running.scored == running.job.tokens.size()) {
      finish(sequence, "done");
      return;
    }
    if (!sequence.pending.rebasing() && sequence.cache->must_restart(sequence.pending.size())) restart(sequence);
    // What is recomputed for each token need not be computed before one is asked for.
    const bool waits = sequence.cache->limits().kind == CachePolicy::recompute;
    const bool nothing_left = waits || (sequence.pending.size() <= 1 && !sequence.pending.rebasing());
    if (nothing_left && (kind == Job::append || kind == Job::rebase)) {
      finish(sequence, "done");
      return;
    }
    // In mid-reply a rebase waits until nothing can be taken back any more.
    if (rebase_due(sequence) && running.journal.empty()) begin_rebase(sequence);
  });
  // Of a stream that nobody holds any more, the last event closes it here and now: nothing else will wake the engine
  // for those who wait for its place.
  if (stream.closed()) settle(sequence);
}

bool Engine::ready(const Sequence& sequence) const {
  if (!sequence.running || sequence.running->ended || sequence.running->waiting || sequence.pending.empty())
    return false;
  const auto& running = *sequence.running;
  if (running.job.kind != Job::generate) return true;
  const int waiting = running.job.stream->waiting_tokens();
  return waiting < (rebase_due(sequence) ? 1 : kRunAhead);
}

// Tokens of one batch see all that the batch pushes out. So what a prompt's tokens see depends on how it is cut; and
// lest it depends on who else is in the batch, it is cut at the same places always: where the first token is evicted,
// and from there on into equal parts. False: there is no room for such a part now.
bool Engine::cut_for_eviction(const Sequence& sequence, int left, int& count) const {
  const auto& cache = *sequence.cache;
  const auto evicts = [&](int tokens) {
    const auto step = cache.plan(tokens, false);
    return step.evict_to > step.evict_from;
  };
  if (cache.limits().kind != CachePolicy::streaming) return true;
  const int part = std::min(
      {static_cast<int>(sequence.pending.size()), cache.room(), std::max(kSmallestPart, options_.batch_size / 4)});
  if (!evicts(std::max(count, part))) return true;
  int none = 0;
  while (none < count && !evicts(none + 1)) none++;
  if (none > 0) {
    count = std::min(count, none);
    return true;
  }
  // Where it is too long for what is left, it waits to be the first.
  if (part > count && prompts_added_ > 0) return false;
  count = std::min(part, left);
  return true;
}

// Puts the sequence's next tokens into the batch. False: the batch is full.
bool Engine::add_part(Batch& batch, Sequence& sequence, std::vector<Part>& parts) {
  auto& running = *sequence.running;
  const auto kind = running.job.kind;
  if (batch.left() == 0) return false;
  // Several sequences split a hybrid's batch into ubatches, which sliding windows do not stand.
  if (hybrid_ && sliding_window_ > 0 && !parts.empty()) return false;
  const int room = sequence.cache->room();
  if (room == 0) {
    throw Failure("CACHE_FULL",
                  "the dense policy has filled its " + std::to_string(sequence.cache->limits().window) +
                      " tokens and evicts nothing; use policy 'streaming', which goes on for ever, or a larger window");
  }
  int count = std::min({static_cast<int>(sequence.pending.size()), room, batch.left()});
  if (sequence.pending.size() > 1) count = std::min(count, prompt_room_);
  if (count > 1 && !cut_for_eviction(sequence, batch.left(), count)) return true;
  // The last token waits for what will follow it; when scoring, it goes alone.
  const int waiting = static_cast<int>(sequence.pending.size());
  const bool scores_alone =
      kind == Job::score && waiting > 1 && sequence.cache->limits().kind != CachePolicy::recompute;
  // A recurrent state cannot leave its last token out, so there is one before it to go back to.
  const bool goes_back = kind == Job::generate && has_bookmarks(sequence);
  const bool sampled_alone = goes_back && waiting > 1;
  if (kind == Job::append || kind == Job::rebase || scores_alone || sampled_alone) count = std::min(count, waiting - 1);
  count = sequence.pending.decodable(count);
  if (count == 0) return true;
  if (!holds_newest(sequence))
    throw Failure("DECODE_FAILED",
                  "the cache does not end where it should; what is kept is decoded again with the next turn");
  if (goes_back && waiting == 1) bookmark(sequence);
  const int drafts = kind == Job::generate && waiting == 1 ? draft(batch, sequence) : 0;

  Part part{
      .sequence = &sequence, .step = sequence.cache->plan(count, count >= waiting - 1), .tokens = {}, .scratch = {}};
  const int sinks = static_cast<int>(sequence.cache->sinks().size());
  if (part.step.reanchor && part.step.evict_to == part.step.evict_from && count + sinks > batch.left() && count > 1 &&
      batch.left() > 2 * sinks) {
    count = batch.left() - sinks;
    part.step = sequence.cache->plan(count, false);
  }
  if (count > 1) prompt_room_ = std::max(0, prompt_room_ - count), prompts_added_++;
  if (part.step.reanchor) part.scratch = context_.take_id();
  part.sinks_apart = part.step.reanchor && (count + sinks > batch.left() || (hybrid_ && sliding_window_ > 0));
  if (part.sinks_apart) {
    decode_sinks(sequence, part.scratch, part.step.sinks_at);
  }

  // What has been decoded again cannot be taken back one by one.
  if (std::exchange(running.journal_waits, false)) running.journal.clear();
  part.tokens.assign(sequence.pending.begin(), sequence.pending.begin() + count);
  part.drafts = drafts;
  drafts_added_ += drafts;
  put(batch, part);
  parts.push_back(std::move(part));
  sequence.in_batch = true;
  return true;
}

// The part's tokens, its drafts, and its sinks where they move along.
void Engine::put(Batch& batch, Part& part) const {
  const auto& sequence = *part.sequence;
  const auto kind = sequence.running->job.kind;
  const bool all = part.tokens.size() == sequence.pending.size() && !sequence.pending.rebasing();
  const bool output = all && (kind == Job::generate || kind == Job::score);
  for (int i = 0; i < part.step.count; i++) {
    const bool last = i == part.step.count - 1;
    const int index =
        batch.add(part.tokens[static_cast<size_t>(i)], part.step.first + i, sequence.current.get(), output && last);
    if (output && last) part.logits_index = index;
  }
  for (int i = 0; i < part.drafts; i++)
    batch.add(sequence.speculation->drafts[static_cast<size_t>(i)], part.step.first + 1 + i, sequence.current.get(),
              true);
  if (!part.step.reanchor || part.sinks_apart) return;
  const auto& sinks = sequence.cache->sinks();
  for (size_t i = 0; i < sinks.size(); i++)
    batch.add(sinks[i], part.step.sinks_at + static_cast<Position>(i), part.scratch.get(), false);
}

// Keeps the cells of the positions [from, to). Those of which there are cells already would lie there twice.
void Engine::hold(const Sequence& sequence, Position from, Position to) {
  const auto keep = [&](Position begin, Position end) {
    if (begin < end) context_.copy(sequence.current, sequence.hold, begin, end);
  };
  if (sequence.own_from >= sequence.own_to) return keep(from, to);
  keep(from, std::min(to, sequence.own_from));
  keep(std::max(from, sequence.own_to), to);
}

// What a step's batch has pushed out leaves the cache, after its decode and before its commit.
void Engine::evict(Sequence& sequence, const CachePolicy::Step& step) {
  auto& running = *sequence.running;
  const int evicted = step.evict_to - step.evict_from;
  const bool can_be_taken_back = running.job.kind == Job::generate && !running.in_prompt;
  if (can_be_taken_back && !recurrent_ && (evicted > 0 || sliding_window_ > 0)) {
    if (!sequence.hold) {
      sequence.hold = context_.take_id();
      sequence.own_from = sequence.own_to = 0;
    }
    if (evicted > 0) hold(sequence, step.evict_from, step.evict_to);
    // A sliding-window cache reuses cells that no later token can see; a token taken back could. The window's alone:
    // sinks move with each token, and would lie there once for each of them, at positions of the window.
    if (sliding_window_ > 0) {
      const Position from = std::max(step.evict_from, step.first - sliding_window_ + 1);
      hold(sequence, from, step.first + step.count);
    }
  }
  if (evicted > 0 && !context_.remove(sequence.current, step.evict_from, step.evict_to)) {
    throw Failure("POLICY_UNAVAILABLE", "llama.cpp cannot evict tokens from this model's memory; use policy 'dense'");
  }
  sequence.evicted += evicted;
  if (evicted > 0) running.job.stream->add_evicted(evicted, sequence.evicted);
}

void Engine::after_decode(Part& part, double elapsed_ms) {
  if (part.drafts > 0) return after_drafts(part, elapsed_ms);
  auto& sequence = *part.sequence;
  auto& running = *sequence.running;
  auto& cache = *sequence.cache;
  const auto& step = part.step;
  const bool single = step.count == 1;
  const CachePolicy::Mark before = cache.mark();
  const int64_t evicted_before = sequence.evicted;
  const bool can_be_taken_back = running.job.kind == Job::generate && !running.in_prompt;

  evict(sequence, step);
  if (step.reanchor) move_to(sequence, std::move(part.scratch), before.base);
  cache.commit(step, part.tokens.data());
  if (sequence.pending.decoded(step.count)) {
    if (sequence.state) context_.copy_state(sequence.state, sequence.current);
    sequence.state.reset();
    running.job.stream->add_rebase(cache.size());
  }
  if (sequence.verify) verify(sequence);

  const int64_t left = static_cast<int64_t>(sequence.pending.size());
  if (running.in_prompt && running.job.kind != Job::rebase && !sequence.pending.rebasing() && running.scored == 0) {
    const int64_t waiting = running.job.kind == Job::generate ? left : std::max<int64_t>(0, left - 1);
    const int64_t done = running.prompt_total - std::min(running.prompt_total, waiting);
    // What is kept may have to be decoded again in between: what had been done stays done.
    if (done > running.prompt_done) running.job.stream->add_prefill(done, running.prompt_total);
    running.prompt_done = std::max(running.prompt_done, done);
  }
  if (running.in_prompt) running.prompt_ms = milliseconds(Clock::now() - running.started);
  else running.generation_ms += elapsed_ms;

  if (part.logits_index < 0) {
    // Nothing in a prompt will be taken back token by token.
    if (running.journal.empty() && running.bookmarks.empty()) cache.release(cache.mark());
    return;
  }
  const float* logits = context_.logits(part.logits_index);
  if (!logits) throw Failure("DECODE_FAILED", "llama.cpp gave no logits");
  if (running.job.kind == Job::score) {
    running.in_prompt = false;
    score(sequence, logits);
    cache.release(cache.mark());
    return;
  }
  // After a batch of many, the way back is to leave its last token out; what it evicted stays evicted.
  const bool exact = has_bookmarks(sequence) || (single && can_be_taken_back);
  const CachePolicy::Mark after = cache.mark();
  running.in_prompt = false;
  if (!exact && running.journal.empty()) cache.release(after);
  const Token token =
      sample(sequence, logits, exact ? before : CachePolicy::Mark{after.base, after.oldest, after.next - 1},
             part.tokens.back(), exact ? evicted_before : sequence.evicted);
  learn_from(sequence, token, 0);
  if (sequence.speculation) sequence.speculation->matched = 0;
}

// Returns the token, which may have ended the job.
Token Engine::sample(Sequence& sequence, const float* logits, const CachePolicy::Mark& mark, Token before,
                     int64_t evicted_before) {
  auto& running = *sequence.running;
  auto& generation = *running.generation;
  Token token = kNoToken;
  try {
    token = generation.sample(logits, sequence.seen);
  } catch (const std::exception&) {
    // As a token without text, which is taken back with the job's end: so the one that was decoded for it waits again.
    running.journal.push_back({mark, before, evicted_before, kNoToken, generation.bytes() + 1, true});
    running.generated++;
    sequence.add(kNoToken);
    throw;
  }
  const bool ends = generation.ends(token);
  const std::string bytes = generation.bytes_of(token);
  generation.add_bytes(bytes.size());
  // The end of a turn is recorded like any token, and taken back at once: the template writes it.
  running.journal.push_back({mark, before, evicted_before, token, generation.bytes() + (ends ? 1 : 0), bytes.empty()});
  running.generated++;
  sequence.add(token);
  if (ends) {
    running.ending = "end";
    return token;
  }
  auto output = generation.add(token, bytes, logits);
  if (output.bytes > 0 || bytes.empty())
    running.job.stream->add_text(output.text, output.bytes, output.bytes > 0 ? 1 : 0, std::move(output.probabilities));
  if (generation.stopped()) running.ending = "stop";
  else if (running.job.max_tokens > 0 && running.generated >= running.job.max_tokens) running.ending = "length";
  return token;
}

// The job was left, or is late, in the middle of a token. Who has left it is told by attend().
void Engine::end_interrupted(Sequence& sequence) {
  if (!commands_.stopping() && late(*sequence.running)) finish(sequence, "time");
}

void Engine::score(Sequence& sequence, const float* logits) {
  auto& running = *sequence.running;
  const Token token = running.job.tokens[running.scored++];
  running.job.stream->add_scores({static_cast<float>(logits[token] - log_sum(logits, model_->vocab_size()))});
  sequence.add(token);
}

}  // namespace streaming
