#include "engine/engine.h"

#include "llama/batch.h"
#include "support/at_exit.h"
#include "support/failure.h"

namespace streaming {

Engine::Engine(std::shared_ptr<Model> model, const ContextOptions& options)
    : model_(std::move(model)),
      sliding_window_(model_->facts().sliding_window),
      recurrent_(model_->facts().recurrent || model_->facts().hybrid),
      hybrid_(model_->facts().hybrid),
      options_(options),
      reservations_(options, recurrent_),
      context_(*model_, options, [this] { return commands_.stopping(); }),
      batch_(std::make_unique<Batch>(options.batch_size)) {
  std::lock_guard lock(AtExit::get().mutex);
  AtExit::get().stops.emplace(this, [this] { stop(); });
  thread_ = std::thread([this] { run(); });
}

Engine::~Engine() { stop(); }

// ---- JavaScript's thread

int Engine::open(const CachePolicy::Limits& limits, Position rebase_after, bool verify) {
  const int handle = reservations_.reserve(limits);
  commands_.post([=, this] {
    if (!commands_.ended())
      sequences_.emplace(std::piecewise_construct, std::forward_as_tuple(handle),
                         std::forward_as_tuple(limits, rebase_after, verify));
  });
  return handle;
}

void Engine::close(int handle) {
  reservations_.release(handle);
  commands_.post([=, this] {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) return;
    auto& sequence = found->second;
    if (sequence.running)
      sequence.running->job.stream->close(
          {.type = StreamEvent::error, .content = "the sequence was closed", .reason = "CLOSED"});
    std::erase(queue_, handle);
    sequences_.erase(found);
  });
}

void Engine::start(int handle, Job job) {
  commands_.post([this, handle, job = std::move(job)]() mutable {
    const auto found = sequences_.find(handle);
    if (commands_.ended() || found == sequences_.end()) {
      job.stream->close({.type = StreamEvent::error,
                         .content = commands_.ended() ? "the model was closed" : "the sequence was closed",
                         .reason = "CLOSED"});
      return;
    }
    auto& sequence = found->second;
    settle(sequence);
    sequence.running = std::make_unique<Running>();
    auto& running = *sequence.running;
    running.job = std::move(job);
    const auto kind = running.job.kind;
    const bool adds = kind == Job::generate || kind == Job::append || kind == Job::add;
    // Whoever leaves a turn must not wait for the place that the turn has waited for: what takes it back needs none.
    const bool at_once = kind == Job::look || kind == Job::save || kind == Job::add || kind == Job::cut;
    attempt(sequence, [&] {
      // Whatever goes wrong, what was given belongs to the conversation from now on.
      if (adds) {
        const auto before = sequence.cache->next() + static_cast<Position>(sequence.pending.size());
        for (const int turn : running.job.turns) sequence.cache->begin_turn(before + turn);
        for (const Token token : running.job.tokens) sequence.add(token);
      }
      if (at_once) {
        running.waiting = false;
        if (kind == Job::cut) cut(sequence, running.job.keep);
        finish(sequence, "done");
      } else {
        queue_.push_back(handle);
      }
    });
  });
}

// The job has a place in the cache from now on.
void Engine::begin(int handle, Sequence& sequence) {
  auto& running = *sequence.running;
  const bool generates = running.job.kind == Job::generate;
  if (running.job.sampling.reproducible && !is_reproducible()) context_.choose_fixed_threads();
  running.waiting = false;
  running.started = Clock::now();
  try {
    place(sequence);
    if (running.job.kind == Job::replace_sinks) replace_sinks(handle, sequence);
    if (running.job.kind == Job::restore) return finish(sequence, restore_saved(sequence, running.job.state));
    if (running.job.kind == Job::replace_sinks) return finish(sequence, "done");
    if (sequence.pending.empty() && running.job.kind != Job::append && running.job.kind != Job::rebase) {
      throw Failure("INVALID_OPTION", "there is nothing yet that could be continued: append at least one token first");
    }
    if (generates) {
      const auto go_on = [this, &running] {
        return !commands_.stopping() && !running.job.stream->cancelled() && !late(running);
      };
      running.generation = std::make_unique<Generation>(model_, running.job, sequence.seen, go_on);
      running.generation->replay(sequence.last_tokens(running.generation->lookback()));
      begin_speculation(sequence);
    }
    running.prompt_total = static_cast<int64_t>(sequence.pending.size()) -
                           (generates ? 0 : std::min<int64_t>(1, static_cast<int64_t>(sequence.pending.size())));
    if (running.job.kind != Job::rebase) running.job.stream->add_prefill(0, running.prompt_total);
    // Between two turns nobody waits for the next token, so this is the time.
    if (running.job.kind == Job::rebase ||
        sequence.cache->next() >= (sequence.rebase_after + sequence.cache->size()) / 2)
      begin_rebase(sequence);
  } catch (const Failure& failure) {
    // Loading was given up for one who has left; what is due to him then is the same as ever.
    if (failure.code == "ABORTED" && running.job.stream->cancelled()) return;
    fail(sequence, failure.code == "ABORTED" ? "CLOSED" : failure.code, failure.what());
  } catch (const std::exception& error) {
    fail(sequence, "OUT_OF_MEMORY", no_memory(error));
  }
}

bool Engine::late(const Running& running) {
  return running.job.time_limit_ms > 0 && milliseconds(Clock::now() - running.started) > running.job.time_limit_ms;
}

std::shared_ptr<TokenStream> Engine::make_stream() {
  // The stream outlives the engine where JavaScript still holds it, but nothing is taken from it by then that would
  // need the engine: stop() ends every stream first and the JavaScript object keeps the engine alive.
  return std::make_shared<TokenStream>([this] { commands_.poke(); });
}

void Engine::stop() {
  std::lock_guard all(AtExit::get().mutex);
  AtExit::get().stops.erase(this);
  if (!thread_.joinable()) return;
  commands_.stop();
  thread_.join();
  model_.reset();
}

// ---- the engine's thread

void Engine::run() {
  bool more = false;
  std::vector<CommandQueue::Command> commands;
  for (;;) {
    const bool unloads = !more && may_unload();
    if (!commands_.wait(commands, more, unloads ? std::optional(options_.unload_after_ms) : std::nullopt)) {
      unload();
      continue;
    }
    // Commands are run even when stopping: somebody may wait for an answer.
    for (auto& command : commands) command();
    commands.clear();
    if (commands_.stopping()) break;
    more = step();
  }
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.running)
      sequence.running->job.stream->close(
          {.type = StreamEvent::error, .content = "the model was closed", .reason = "CLOSED"});
  }
  sequences_.clear();
  context_.unload();
  // What has been asked for meanwhile is answered as well, and what is asked for from now on.
  commands_.end();
}

void Engine::finish(Sequence& sequence, const char* reason) {
  auto& running = *sequence.running;
  if (running.generation && !running.job.stream->cancelled()) {
    auto output = running.generation->finish(std::string_view(reason) == "end");
    if (output.bytes > 0) running.job.stream->add_text(output.text, output.bytes, 1, std::move(output.probabilities));
    take_back(sequence, running.emitted_bytes());
  }
  running.ended = true;
  running.job.stream->end(
      {.type = StreamEvent::finish,
       .reason = reason,
       .tokens = running.job.forced              ? sequence.speculation->index.last(running.generated)
                 : running.job.kind == Job::look ? sequence.last_tokens(INT_MAX)
                                                 : std::vector<Token>(),
       .state = running.job.kind == Job::save ? saved(sequence) : std::vector<uint8_t>(),
       .prompt_tokens = running.job.kind == Job::score ? 0 : static_cast<int64_t>(running.job.tokens.size()),
       .reused_tokens = running.reused,
       .completion_tokens = running.generated,
       .seen_tokens = sequence.seen,
       .cached_tokens = sequence.seen - sequence.evicted,
       .evicted_tokens = sequence.evicted,
       .drafted_tokens = running.job.speculation || running.job.forced ? running.drafted : -1,
       .accepted_tokens = running.accepted,
       .prompt_ms = running.prompt_ms,
       .generation_ms = running.generation_ms});
}

std::string Engine::no_memory(const std::exception& error) {
  return std::string("the engine could not go on (") + error.what() +
         "); use a smaller window, fewer sequences, or kvType 'q8_0'";
}

// The job ends with an error; the sequence stays as it was, and what the reader has not taken is taken back.
void Engine::fail(Sequence& sequence, const std::string& code, const std::string& message) {
  auto& running = *sequence.running;
  if (!running.ended) {
    try {
      take_back(sequence, running.emitted_bytes());
      if (sequence.current && !holds_newest(sequence)) start_over(sequence);
    } catch (const std::exception&) {
      start_over(sequence);
    }
  }
  running.ended = true;
  running.job.stream->end({.type = StreamEvent::error,
                           .content = message,
                           .reason = code,
                           .seen_tokens = sequence.seen,
                           .cached_tokens = sequence.seen - sequence.evicted,
                           .evicted_tokens = sequence.evicted});
}

}  // namespace streaming
