#include "engine.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <set>
#include <utility>

#include "failure.h"
#include "guarded.h"

namespace streaming {
namespace {

// How many tokens the engine runs ahead of a reader. Enough that JavaScript never waits for the engine, few enough
// that taking them back costs nothing.
constexpr int kRunAhead = 16;
// Evicted cells that are held for taking tokens back: the run-ahead, and what a stop string may keep waiting.
constexpr int kHeldCells = 64;
// Beyond all positions. Copying a range there copies the recurrent state, which knows no ranges, and nothing else.
constexpr Position kNoPosition = INT_MAX - 1;

// The engines whose threads run. process.exit() tells the addon nothing, and llama.cpp's libraries take their tables
// down while a thread still computes: so those threads are ended first. Never destroyed itself.
struct RunningEngines {
  std::recursive_mutex mutex;
  std::set<Engine*> engines;
};
RunningEngines& running_engines() {
  static auto& all = *[] {
    // After the libraries were loaded, hence before their own destructors.
    std::atexit([] {
      std::lock_guard lock(running_engines().mutex);
      while (!running_engines().engines.empty()) (*running_engines().engines.begin())->stop();
    });
    return new RunningEngines;
  }();
  return all;
}

double milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace

// A llama_batch over arrays that are made once.
class Engine::Batch {
 public:
  explicit Batch(int capacity) : capacity_(capacity) {
    const auto size = static_cast<size_t>(capacity);
    tokens_.reserve(size), positions_.reserve(size), ids_.reserve(size), pointers_.reserve(size), outputs_.reserve(size);
    counts_.assign(size, 1);
  }
  void clear() { tokens_.clear(), positions_.clear(), ids_.clear(), outputs_.clear(); }
  int size() const { return static_cast<int>(tokens_.size()); }
  int left() const { return capacity_ - size(); }
  // Returns the index in the batch, by which the logits are found.
  int add(Token token, Position position, int id, bool output) {
    tokens_.push_back(token), positions_.push_back(position), ids_.push_back(id), outputs_.push_back(output);
    return size() - 1;
  }
  llama_batch get() {
    pointers_.clear();
    for (auto& id : ids_) pointers_.push_back(&id);
    return {size(), tokens_.data(), nullptr, positions_.data(), counts_.data(), pointers_.data(), outputs_.data()};
  }

 private:
  int capacity_;
  std::vector<Token> tokens_;
  std::vector<Position> positions_;
  std::vector<llama_seq_id> ids_;
  std::vector<llama_seq_id*> pointers_;
  std::vector<int32_t> counts_;
  std::vector<int8_t> outputs_;
};

// What one sequence has in the batch.
struct Engine::Part {
  Sequence* sequence;
  CachePolicy::Step step;
  std::vector<Token> tokens;
  int logits_index = -1;
  int scratch = -1;
};

Engine::Engine(std::shared_ptr<Model> model, const ContextOptions& options)
    : model_(std::move(model)),
      sliding_window_(llama().llama_model_n_swa(model_->get())),
      recurrent_(llama().llama_model_is_recurrent(model_->get()) || llama().llama_model_is_hybrid(model_->get())),
      hybrid_(llama().llama_model_is_hybrid(model_->get())),
      options_(options),
      batch_(std::make_unique<Batch>(options.batch_size)) {
  std::lock_guard lock(running_engines().mutex);
  running_engines().engines.insert(this);
  thread_ = std::thread([this] { run(); });
}

Engine::~Engine() { stop(); }

// ---- JavaScript's thread

int Engine::open(const CachePolicy::Limits& limits, Position rebase_after, bool verify) {
  const int handle = next_handle_;
  {
    std::lock_guard lock(mutex_);
    if (static_cast<int>(open_.size()) >= options_.max_sequences) {
      throw Failure("NO_SEQUENCE_LEFT", std::to_string(options_.max_sequences) + " sequences are open, which is all of this model's maxSequences; close one, or load the model with more");
    }
    int needed = options_.batch_size + cells_needed(limits);
    if (options_.cache_tokens > 0 && needed > options_.cache_tokens) {
      throw Failure("WINDOW_TOO_LARGE", "a sequence of " + std::to_string(limits.sinks) + " sinks and a window of " + std::to_string(limits.window) + " needs a cache of " +
                                            std::to_string(needed) + " tokens; cacheTokens is " + std::to_string(options_.cache_tokens) + ": make the window at least " +
                                            std::to_string(needed - options_.cache_tokens) + " tokens smaller, or the cache larger");
    }
    for (const auto& [other, its] : open_) needed += cells_needed(its);
    if (options_.cache_tokens > 0 && needed > options_.cache_tokens) {
      throw Failure("NO_SEQUENCE_LEFT", "the open sequences and this one need a cache of " + std::to_string(needed) + " tokens; cacheTokens is " +
                                            std::to_string(options_.cache_tokens) + ": close one, or load the model with a larger cache");
    }
    open_.emplace(handle, limits);
    next_handle_++;
  }
  post([=, this] { sequences_.emplace(std::piecewise_construct, std::forward_as_tuple(handle), std::forward_as_tuple(limits, rebase_after, verify)); });
  return handle;
}

void Engine::close(int handle) {
  {
    std::lock_guard lock(mutex_);
    open_.erase(handle);
  }
  post([=, this] {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) return;
    auto& sequence = found->second;
    if (sequence.running) fail(sequence, "CLOSED", "the sequence was closed");
    forget_bookmarks(sequence);
    for (int* id : {&sequence.current, &sequence.hold, &sequence.state}) give_id(*id);
    sequences_.erase(found);
  });
}

void Engine::start(int handle, Job job) {
  post([this, handle, job = std::move(job)]() mutable {
    const auto found = sequences_.find(handle);
    if (found == sequences_.end()) {
      job.stream->end({.type = StreamEvent::error, .content = "the sequence was closed", .reason = "CLOSED"});
      return;
    }
    auto& sequence = found->second;
    if (sequence.running) settle_delivered(sequence);
    sequence.running = std::make_unique<Running>();
    auto& running = *sequence.running;
    running.job = std::move(job);
    const bool generates = running.job.kind == Job::generate;
    // First of all: whatever goes wrong, what was given belongs to the conversation from now on.
    if (running.job.kind == Job::append || generates) {
      for (const Token token : running.job.tokens) sequence.pending.push_back(token);
      sequence.seen += static_cast<int64_t>(running.job.tokens.size());
    }
    try {
      ensure_cells();
      if (sequence.current < 0) sequence.current = take_id();
      if (sequence.pending.empty() && running.job.kind != Job::append && running.job.kind != Job::rebase) {
        throw Failure("INVALID_OPTION", "there is nothing yet that could be continued: append at least one token first");
      }
      if (generates) {
        running.sampler = std::make_unique<Sampler>(model_, running.job.sampling);
        running.sampler->replay(sequence.last_tokens(running.sampler->lookback()));
        running.text = TextAssembler(running.job.stops);
      }
      running.prompt_total = static_cast<int64_t>(sequence.pending.size()) - (generates ? 0 : std::min<int64_t>(1, static_cast<int64_t>(sequence.pending.size())));
      if (running.job.kind != Job::rebase) running.job.stream->add_prefill(0, running.prompt_total);
      // Between two turns nobody waits for the next token, so this is the time.
      if (running.job.kind == Job::rebase || sequence.cache->next() >= (sequence.rebase_after + sequence.cache->size()) / 2) begin_rebase(sequence);
    } catch (const Failure& failure) {
      fail(sequence, failure.code, failure.what());
    }
  });
}

std::shared_ptr<TokenStream> Engine::make_stream() {
  // The stream outlives the engine where JavaScript still holds it, but nothing is taken from it by then that would
  // need the engine: stop() ends every stream first and the JavaScript object keeps the engine alive.
  return std::make_shared<TokenStream>([this] { poke(); });
}

void Engine::stop() {
  std::lock_guard all(running_engines().mutex);
  running_engines().engines.erase(this);
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  model_.reset();
}

void Engine::post(std::function<void()> command) {
  {
    std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_all();
}

void Engine::poke() {
  {
    std::lock_guard lock(mutex_);
    poked_ = true;
  }
  wake_.notify_all();
}

// ---- the engine's thread

void Engine::run() {
  bool more = false;
  std::vector<std::function<void()>> commands;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!more) wake_.wait(lock, [&] { return stopping_ || poked_ || !commands_.empty(); });
      poked_ = false;
      commands.swap(commands_);
    }
    // Commands are run even when stopping: somebody may wait for an answer.
    for (auto& command : commands) command();
    commands.clear();
    if (stopping_) break;
    more = step();
  }
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.running) sequence.running->job.stream->end({.type = StreamEvent::error, .content = "the model was closed", .reason = "CLOSED"});
  }
  sequences_.clear();
  if (context_) llama().llama_free(context_);
  context_ = nullptr;
}

// One round. False: nothing is ready, wait for a command or a reader.
bool Engine::step() {
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.running) attend(sequence);
  }
  Batch& batch = *batch_;
  batch.clear();
  std::vector<Part> parts;
  // Single tokens first, then prompts, each from where the last batch left off.
  for (const bool prompts : {false, true}) {
    std::vector<Sequence*> order;
    for (auto at = sequences_.lower_bound(first_served_); at != sequences_.end(); ++at) order.push_back(&at->second);
    for (auto at = sequences_.begin(); at != sequences_.lower_bound(first_served_); ++at) order.push_back(&at->second);
    for (Sequence* sequence : order) {
      if (!ready(*sequence) || (sequence->pending.size() > 1) != prompts) continue;
      try {
        if (!add_part(batch, *sequence, parts)) break;
      } catch (const Failure& failure) {
        fail(*sequence, failure.code, failure.what());
      }
    }
  }
  if (parts.empty()) return false;
  const auto next = sequences_.upper_bound(first_served_);
  first_served_ = next == sequences_.end() ? 0 : next->first;

  const auto begin = Clock::now();
  try {
    decode(batch);
  } catch (const Failure& failure) {
    for (auto& part : parts) {
      if (part.scratch >= 0) give_id(part.scratch);
      fail(*part.sequence, failure.code, failure.what());
    }
    return true;
  }
  const double elapsed = milliseconds(Clock::now() - begin);
  for (auto& part : parts) {
    try {
      after_decode(part, elapsed);
    } catch (const Failure& failure) {
      fail(*part.sequence, failure.code, failure.what());
    }
  }
  return true;
}

// What is due to a sequence's job before the next batch.
void Engine::attend(Sequence& sequence) {
  auto& running = *sequence.running;
  auto& stream = *running.job.stream;
  try {
    if (stream.closed()) {
      settle_delivered(sequence);
      sequence.running.reset();
      return;
    }
    if (stream.cancelled()) {
      take_back(sequence, stream.delivered_bytes());
      running.ended = false;
      finish(sequence, "abort");
      return;
    }
    settle_delivered(sequence);
    if (running.ended) return;
    if (running.job.time_limit_ms > 0 && milliseconds(Clock::now() - running.started) > running.job.time_limit_ms) {
      finish(sequence, "time");
      return;
    }
    const auto kind = running.job.kind;
    if (kind == Job::score && running.scored == running.job.tokens.size()) {
      finish(sequence, "done");
      return;
    }
    if (sequence.rebasing == 0 && sequence.cache->must_restart(sequence.pending.size())) restart(sequence);
    // What is recomputed for each token need not be computed before one is asked for.
    const bool waits = sequence.cache->limits().kind == CachePolicy::recompute;
    const bool nothing_left = waits || (sequence.pending.size() <= 1 && sequence.rebasing == 0);
    if (nothing_left && (kind == Job::append || kind == Job::rebase)) {
      finish(sequence, "done");
      return;
    }
    // In mid-reply a rebase waits until nothing can be taken back any more.
    if (sequence.cache->next() >= sequence.rebase_after && sequence.rebasing == 0 && running.journal.empty()) begin_rebase(sequence);
  } catch (const Failure& failure) {
    fail(sequence, failure.code, failure.what());
  }
}

bool Engine::ready(const Sequence& sequence) const {
  if (!sequence.running || sequence.running->ended || sequence.pending.empty()) return false;
  const auto& running = *sequence.running;
  if (running.job.kind != Job::generate) return true;
  const int waiting = running.job.stream->waiting_tokens();
  const bool rebase_due = sequence.cache->next() >= sequence.rebase_after && sequence.rebasing == 0;
  return waiting < (rebase_due ? 1 : kRunAhead);
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
    throw Failure("CACHE_FULL", "the dense policy has filled its " + std::to_string(sequence.cache->limits().window) +
                                    " tokens and evicts nothing; use policy 'streaming', which goes on for ever, or a larger window");
  }
  int count = std::min({static_cast<int>(sequence.pending.size()), room, batch.left()});
  // The last token waits for what will follow it; when scoring, it goes alone.
  const int waiting = static_cast<int>(sequence.pending.size());
  const bool scores_alone = kind == Job::score && waiting > 1 && sequence.cache->limits().kind != CachePolicy::recompute;
  // A recurrent state cannot leave its last token out, so there is one before it to go back to.
  const bool goes_back = kind == Job::generate && has_bookmarks(sequence);
  const bool sampled_alone = goes_back && waiting > 1;
  if (kind == Job::append || kind == Job::rebase || scores_alone || sampled_alone) count = std::min(count, waiting - 1);
  if (sequence.rebasing > 0) count = std::min(count, static_cast<int>(sequence.rebasing));
  if (sequence.replaying > 0) count = std::min(count, 1);
  if (count == 0) return true;
  if (goes_back && waiting == 1) bookmark(sequence);

  Part part{&sequence, sequence.cache->plan(count, count > 1), {}, -1, -1};
  const int sinks = static_cast<int>(sequence.cache->sinks().size());
  if (part.step.reanchor && count + sinks > batch.left() && count > 1 && batch.left() > 2 * sinks) {
    count = batch.left() - sinks;
    part.step = sequence.cache->plan(count, true);
  }
  if (part.step.reanchor) part.scratch = take_id();
  const bool sinks_apart = part.step.reanchor && (count + sinks > batch.left() || (hybrid_ && sliding_window_ > 0));
  if (sinks_apart) decode_sinks(sequence, part.scratch, part.step.sinks_at);

  const bool all = count == static_cast<int>(sequence.pending.size()) && sequence.rebasing == 0;
  const bool output = all && (kind == Job::generate || kind == Job::score);
  part.tokens.assign(sequence.pending.begin(), sequence.pending.begin() + count);
  for (int i = 0; i < count; i++) {
    const int index = batch.add(part.tokens[static_cast<size_t>(i)], part.step.first + i, sequence.current, output && i == count - 1);
    if (output && i == count - 1) part.logits_index = index;
  }
  if (part.step.reanchor && !sinks_apart) {
    for (int i = 0; i < sinks; i++) batch.add(sequence.cache->sinks()[static_cast<size_t>(i)], part.step.sinks_at + i, part.scratch, false);
  }
  parts.push_back(std::move(part));
  return true;
}

void Engine::after_decode(Part& part, double elapsed_ms) {
  auto& sequence = *part.sequence;
  auto& running = *sequence.running;
  auto& cache = *sequence.cache;
  const auto& step = part.step;
  const auto& functions = llama();
  const bool single = step.count == 1;
  const CachePolicy::Mark before = cache.mark();
  const int64_t evicted_before = sequence.evicted;
  const int evicted = step.evict_to - step.evict_from;
  const bool can_be_taken_back = running.job.kind == Job::generate && !running.in_prompt;

  if (can_be_taken_back && !recurrent_ && (evicted > 0 || sliding_window_ > 0)) {
    if (sequence.hold < 0) sequence.hold = take_id();
    if (evicted > 0) functions.llama_memory_seq_cp(memory_, sequence.current, sequence.hold, step.evict_from, step.evict_to);
    // A sliding-window cache reuses cells that no later token can see; a token taken back could.
    if (sliding_window_ > 0) {
      functions.llama_memory_seq_cp(memory_, sequence.current, sequence.hold, std::max(0, before.next - sliding_window_), step.first + step.count);
    }
  }
  if (evicted > 0 && !functions.llama_memory_seq_rm(memory_, sequence.current, step.evict_from, step.evict_to)) {
    throw Failure("POLICY_UNAVAILABLE", "llama.cpp cannot evict tokens from this model's memory; use policy 'dense'");
  }
  if (step.reanchor) move_to(sequence, part.scratch, before.base);
  cache.commit(step, part.tokens.data());
  sequence.evicted += evicted;
  sequence.pending.erase(sequence.pending.begin(), sequence.pending.begin() + step.count);
  if (evicted > 0) running.job.stream->add_evicted(evicted, sequence.evicted);
  if (sequence.rebasing > 0) {
    sequence.rebasing -= static_cast<size_t>(step.count);
    if (sequence.rebasing == 0) {
      if (sequence.state >= 0) functions.llama_memory_seq_cp(memory_, sequence.state, sequence.current, kNoPosition, kNoPosition + 1);
      give_id(sequence.state);
      running.job.stream->add_rebase(cache.size());
    }
  }
  if (sequence.replaying > 0) sequence.replaying--;
  if (sequence.verify) verify(sequence);

  const int64_t left = static_cast<int64_t>(sequence.pending.size());
  if (running.in_prompt && running.job.kind != Job::rebase && sequence.rebasing == 0 && running.scored == 0) {
    const int64_t waiting = running.job.kind == Job::generate ? left : std::max<int64_t>(0, left - 1);
    const int64_t done = running.prompt_total - std::min(running.prompt_total, waiting);
    if (done > 0) running.job.stream->add_prefill(done, running.prompt_total);
  }
  if (running.in_prompt) running.prompt_ms = milliseconds(Clock::now() - running.started);
  else running.generation_ms += elapsed_ms;

  if (part.logits_index < 0) {
    // Nothing in a prompt will be taken back token by token.
    if (running.journal.empty() && running.bookmarks.empty()) cache.release(cache.mark());
    return;
  }
  const float* logits = nullptr;
  const auto thrown = guarded([&] { logits = functions.llama_get_logits_ith(context_, part.logits_index); });
  if (thrown || !logits) throw Failure("DECODE_FAILED", "llama.cpp gave no logits");
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
  sample(sequence, logits, exact ? before : CachePolicy::Mark{after.base, after.oldest, after.next - 1}, part.tokens.back(),
         exact ? evicted_before : sequence.evicted);
}

void Engine::sample(Sequence& sequence, const float* logits, const CachePolicy::Mark& mark, Token before, int64_t evicted_before) {
  auto& running = *sequence.running;
  const Token token = running.sampler->sample(logits, sequence.seen);
  const auto* vocab = model_->vocab();
  const bool ends = model_->has_tokenizer() && llama().llama_vocab_is_eog(vocab, token);
  const std::string bytes = ends || !model_->has_tokenizer() ? std::string() : model_->piece(token, false);
  // The end of a turn is recorded like any token, and taken back at once: the template writes it.
  running.bytes += bytes.size();
  running.journal.push_back({mark, before, evicted_before, token, ends ? running.bytes + 1 : running.bytes});
  running.generated++;
  sequence.seen++;
  sequence.pending.push_back(token);
  if (ends) {
    finish(sequence, "end");
    return;
  }
  running.sampler->accept(token);
  const auto piece = running.text.append(bytes);
  running.emitted_bytes += piece.bytes;
  if (piece.bytes > 0 || bytes.empty()) running.job.stream->add_text(piece.text, piece.bytes, piece.bytes > 0 ? 1 : 0);
  if (running.text.stopped()) finish(sequence, "stop");
  else if (running.job.max_tokens > 0 && running.generated >= running.job.max_tokens) finish(sequence, "length");
}

void Engine::score(Sequence& sequence, const float* logits) {
  auto& running = *sequence.running;
  const int count = model_->vocab_size();
  const Token token = running.job.tokens[running.scored++];
  // log softmax, in double: the reference it is compared with is no less exact.
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int i = 0; i < count; i++) sum += std::exp(static_cast<double>(logits[i]) - largest);
  running.job.stream->add_scores({static_cast<float>(logits[token] - largest - std::log(sum))});
  sequence.pending.push_back(token);
  sequence.seen++;
}

// Forgets how to take back what the reader has by now.
void Engine::settle_delivered(Sequence& sequence) {
  auto& running = *sequence.running;
  auto& [job, sampler, text, journal, bookmarks, generated, bytes, emitted_bytes, prompt_total, in_prompt, scored, ended, started, prompt_ms, generation_ms] = running;
  if (journal.empty()) return;
  const size_t delivered = job.stream->delivered_bytes();
  while (!journal.empty() && journal.front().end <= delivered) journal.pop_front();
  hold_no_more_than(sequence, kHeldCells);
  const Position needed = journal.empty() ? sequence.cache->next() : journal.front().mark.next;
  while (bookmarks.size() > 1 && bookmarks[1].mark.next <= needed) {
    give_id(bookmarks.front().id);
    bookmarks.pop_front();
  }
  if (journal.empty()) give_id(sequence.hold);
  const auto mark = !bookmarks.empty() ? bookmarks.front().mark : journal.empty() ? sequence.cache->mark() : journal.front().mark;
  sequence.cache->release(mark);
  if (sequence.hold >= 0) {
    const Position from = sliding_window_ > 0 ? std::min(mark.oldest, mark.next - sliding_window_) : mark.oldest;
    if (from > 0) llama().llama_memory_seq_rm(memory_, sequence.hold, 0, from);
  }
}

// Where more waits than evicted cells can be held for (a stop string of very many tokens), taking back will lose a
// little of the window's oldest end.
void Engine::hold_no_more_than(Sequence& sequence, int cells) {
  if (sequence.cache->limits().kind != CachePolicy::streaming) return;
  auto& running = *sequence.running;
  const Position from = sequence.cache->mark().oldest - cells;
  const auto lose = [&](auto& state) {
    const int lost = std::max(0, from - state.mark.oldest);
    state.mark.oldest += lost;
    state.evicted += lost;
    return lost;
  };
  for (auto& record : running.journal) lose(record);
  for (auto& bookmark : running.bookmarks) {
    const Position oldest = bookmark.mark.oldest;
    if (const int lost = lose(bookmark); lost > 0) llama().llama_memory_seq_rm(memory_, bookmark.id, oldest, oldest + lost);
  }
}

// Takes back every generated token whose text does not lie wholly within the first `delivered` bytes.
void Engine::take_back(Sequence& sequence, size_t delivered) {
  auto& running = *sequence.running;
  const auto first = std::find_if(running.journal.begin(), running.journal.end(), [&](const Record& record) { return record.end > delivered; });
  if (first == running.journal.end()) return;
  const auto count = running.journal.end() - first;
  const Record record = *first;
  const auto bytes = model_->has_tokenizer() && !llama().llama_vocab_is_eog(model_->vocab(), record.token) ? model_->piece(record.token, false) : std::string();
  const size_t start = record.end - (bytes.empty() ? 1 : bytes.size());
  running.journal.erase(first, running.journal.end());
  running.generated -= count;
  sequence.seen -= count;
  undo(sequence, record);
  if (delivered > start && !bytes.empty()) {
    // The text was cut within a token, by a stop string: its first part stays, in other tokens.
    for (const Token token : model_->tokenize(std::string_view(bytes).substr(0, delivered - start), false)) {
      sequence.pending.push_back(token);
      sequence.seen++;
    }
  }
}

// Back to before the decode that the record's token was sampled from.
void Engine::undo(Sequence& sequence, const Record& record) {
  if (has_bookmarks(sequence)) return restore(sequence, record);
  auto& cache = *sequence.cache;
  const auto& functions = llama();
  const auto& mark = record.mark;
  const CachePolicy::Mark now = cache.mark();
  const int sinks = static_cast<int>(cache.sinks().size());
  const bool same_cells = cache.rollback(mark);
  sequence.evicted = record.evicted;
  sequence.pending.assign(1, record.before);
  if (!same_cells || !functions.llama_memory_seq_rm(memory_, sequence.current, mark.next, -1)) return start_over(sequence);
  if (cache.limits().kind != CachePolicy::streaming) return;
  const bool sinks_moved = mark.base != now.base;
  if (sinks_moved) functions.llama_memory_seq_rm(memory_, sequence.current, now.base, now.base + sinks);
  if (sequence.hold >= 0) {
    if (mark.oldest < now.oldest) functions.llama_memory_seq_cp(memory_, sequence.hold, sequence.current, mark.oldest, std::min(now.oldest, mark.next));
    if (sliding_window_ > 0) {
      // Taken out first: once the cache has grown, the two no longer share their cells.
      const Position from = std::max(mark.oldest, mark.next - sliding_window_);
      const Position to = std::min(mark.next, functions.llama_memory_seq_pos_max(memory_, sequence.hold) + 1);
      if (from < to) {
        functions.llama_memory_seq_rm(memory_, sequence.current, from, to);
        functions.llama_memory_seq_cp(memory_, sequence.hold, sequence.current, from, to);
      }
    }
  }
  if (sinks_moved) {
    int scratch = take_id();
    try {
      decode_sinks(sequence, scratch, mark.base);
    } catch (const Failure&) {
      give_id(scratch);
      return start_over(sequence);
    }
    move_to(sequence, scratch, -1);
  }
  if (sequence.verify) verify(sequence);
}

// ---- going back where there is a recurrent state

bool Engine::has_bookmarks(const Sequence& sequence) const {
  const auto kind = sequence.cache->limits().kind;
  return recurrent_ && (kind == CachePolicy::streaming || kind == CachePolicy::dense);
}

// Keeps the present state, once in kRunAhead tokens. Two of them are enough: the older is given up when nothing before
// the younger can be asked for.
void Engine::bookmark(Sequence& sequence) {
  auto& bookmarks = sequence.running->bookmarks;
  const auto mark = sequence.cache->mark();
  if (bookmarks.size() == 2 || (!bookmarks.empty() && mark.next - bookmarks.back().mark.next < kRunAhead)) return;
  const int id = take_id();
  llama().llama_memory_seq_cp(memory_, sequence.current, id, -1, -1);
  bookmarks.push_back({id, mark, sequence.evicted});
}

void Engine::forget_bookmarks(Sequence& sequence) {
  if (!sequence.running) return;
  for (auto& bookmark : sequence.running->bookmarks) give_id(bookmark.id);
  sequence.running->bookmarks.clear();
}

// The conversation becomes the latest bookmark before the record; what lies between is decoded again, one by one as it
// was, with the next job.
void Engine::restore(Sequence& sequence, const Record& record) {
  auto& cache = *sequence.cache;
  auto& bookmarks = sequence.running->bookmarks;
  const auto found = std::find_if(bookmarks.rbegin(), bookmarks.rend(), [&](const Bookmark& bookmark) { return bookmark.mark.next <= record.mark.next; });
  if (found == bookmarks.rend()) return start_over(sequence);
  const auto tokens = cache.between(found->mark.next, record.mark.next);
  give_id(sequence.current);
  sequence.current = std::exchange(found->id, -1);
  cache.rollback(found->mark);
  sequence.evicted = found->evicted;
  forget_bookmarks(sequence);
  sequence.pending.assign(tokens.begin(), tokens.end());
  sequence.pending.push_back(record.before);
  sequence.replaying = tokens.size();
  if (sequence.verify) verify(sequence);
}

void Engine::finish(Sequence& sequence, const char* reason) {
  auto& running = *sequence.running;
  if (running.job.kind == Job::generate && !running.job.stream->cancelled()) {
    const auto piece = running.text.finish(std::string_view(reason) == "end");
    running.emitted_bytes += piece.bytes;
    if (piece.bytes > 0) running.job.stream->add_text(piece.text, piece.bytes, 1);
    take_back(sequence, running.emitted_bytes);
  }
  forget_bookmarks(sequence);
  running.ended = true;
  running.job.stream->end({.type = StreamEvent::finish,
                           .reason = reason,
                           .prompt_tokens = running.job.kind == Job::score ? 0 : static_cast<int64_t>(running.job.tokens.size()),
                           .completion_tokens = running.generated,
                           .seen_tokens = sequence.seen,
                           .cached_tokens = sequence.seen - sequence.evicted,
                           .evicted_tokens = sequence.evicted,
                           .prompt_ms = running.prompt_ms,
                           .generation_ms = running.generation_ms});
}

// The job ends with an error; the sequence stays as it was, and what the reader has not taken is taken back.
void Engine::fail(Sequence& sequence, const std::string& code, const std::string& message) {
  auto& running = *sequence.running;
  if (!running.ended) {
    try {
      take_back(sequence, running.emitted_bytes);
    } catch (const Failure&) {
      start_over(sequence);
    }
  }
  forget_bookmarks(sequence);
  running.ended = true;
  running.job.stream->end({.type = StreamEvent::error,
                           .content = message,
                           .reason = code,
                           .seen_tokens = sequence.seen,
                           .cached_tokens = sequence.seen - sequence.evicted,
                           .evicted_tokens = sequence.evicted});
}

// Decodes sinks and window again from position 0.
void Engine::begin_rebase(Sequence& sequence) {
  auto& cache = *sequence.cache;
  if (cache.limits().kind != CachePolicy::streaming || cache.size() == 0 || sequence.rebasing > 0) return;
  // A recurrent state knows no positions and cannot be had again. (After 2^30 tokens it must be given up all the same.)
  if (recurrent_ && !hybrid_ && cache.next() < CachePolicy::kNever) return;
  if (hybrid_) {
    if (sequence.state < 0) sequence.state = take_id();
    llama().llama_memory_seq_cp(memory_, sequence.current, sequence.state, kNoPosition, kNoPosition + 1);
  }
  clear(sequence);
  const auto kept = cache.restart(0).again;
  sequence.pending.insert(sequence.pending.begin(), kept.begin(), kept.end());
  sequence.rebasing = kept.size();
}

// The policy cannot go on in place: what stays is decoded again, with what is to come.
void Engine::restart(Sequence& sequence) {
  clear(sequence);
  auto& pending = sequence.pending;
  const auto restart = sequence.cache->restart(pending.size());
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(restart.skipped));
  pending.insert(pending.begin(), restart.again.begin(), restart.again.end());
  if (restart.left == 0) return;
  sequence.evicted += restart.left;
  sequence.running->job.stream->add_evicted(restart.left, sequence.evicted);
}

// Something went wrong in llama.cpp's cache: all that is kept is decoded again.
void Engine::start_over(Sequence& sequence) {
  clear(sequence);
  const auto kept = sequence.cache->restart(0).again;
  sequence.pending.insert(sequence.pending.begin(), kept.begin(), kept.end());
  sequence.rebasing = sequence.cache->limits().kind == CachePolicy::streaming ? kept.size() : 0;
  if (sequence.running) sequence.running->journal.clear();
}

// Takes all cells of the sequence out of llama.cpp's cache.
void Engine::clear(Sequence& sequence) {
  if (sequence.current >= 0) llama().llama_memory_seq_rm(memory_, sequence.current, -1, -1);
  give_id(sequence.hold);
  forget_bookmarks(sequence);
  sequence.replaying = 0;
}

// Decodes the sinks under an id of their own. They see nothing but each other, as they did the first time, so their
// keys and values come out exact.
void Engine::decode_sinks(Sequence& sequence, int id, Position at) {
  const auto& sinks = sequence.cache->sinks();
  Batch batch(options_.batch_size);
  for (size_t done = 0; done < sinks.size();) {
    batch.clear();
    while (done < sinks.size() && batch.left() > 0) {
      batch.add(sinks[done], at + static_cast<Position>(done), id, false);
      done++;
    }
    decode(batch);
  }
}

// The conversation moves into the id under which its sinks have been decoded: right for every kind of memory, where
// copying the sinks back would overwrite a recurrent state. Metadata only.
void Engine::move_to(Sequence& sequence, int id, Position old_base) {
  const auto& functions = llama();
  if (old_base >= 0) functions.llama_memory_seq_rm(memory_, sequence.current, old_base, old_base + sequence.cache->limits().sinks);
  functions.llama_memory_seq_cp(memory_, sequence.current, id, -1, -1);
  give_id(sequence.current);
  sequence.current = id;
}

void Engine::verify(const Sequence& sequence) const {
  const auto& cache = *sequence.cache;
  const char* broken = cache.broken_invariant();
  if (!broken && cache.size() > 0 && sequence.rebasing == 0) {
    if (llama().llama_memory_seq_pos_max(memory_, sequence.current) != cache.next() - 1) broken = "llama.cpp holds the newest position";
    const bool knows_lowest = sliding_window_ == 0 && !recurrent_;
    if (knows_lowest && llama().llama_memory_seq_pos_min(memory_, sequence.current) != cache.lowest()) broken = "llama.cpp holds the oldest position";
  }
  if (broken) throw Failure("DECODE_FAILED", std::string("a cache invariant does not hold: ") + broken);
}

void Engine::decode(Batch& batch) {
  LlamaLibrary::take_errors();
  int result = 0;
  const auto thrown = guarded([&] { result = llama().llama_decode(context_, batch.get()); });
  if (!thrown && result == 0) return;
  if (stopping_) throw Failure("CLOSED", "the model was closed");
  // The books hold what was decoded and committed; whatever the failed batch left in llama.cpp's cache goes.
  for (auto& [handle, sequence] : sequences_) {
    if (sequence.current < 0 || llama().llama_memory_seq_rm(memory_, sequence.current, sequence.cache->next(), -1)) continue;
    start_over(sequence);  // a recurrent state that went on
  }
  throw Failure("DECODE_FAILED", thrown ? "llama.cpp failed: " + *thrown
                                 : result == 1 ? "llama.cpp found no free cells in the cache; load the model with a larger cacheTokens"
                                               : "llama.cpp failed with " + std::to_string(result) + ": " + LlamaLibrary::take_errors());
}

// ---- the context

int Engine::cells_needed(const CachePolicy::Limits& limits) const {
  const int tokens = limits.sinks + limits.window;
  if (limits.kind != CachePolicy::streaming) return tokens + 1;
  // The sinks on the move; those of two bookmarks.
  return tokens + (recurrent_ ? 3 : 1) * limits.sinks + kHeldCells;
}

// A sequence may use three ids at once: its own, one for its sinks on the move, one to hold what was evicted; or, with
// a recurrent state, two bookmarks. An id costs nothing, except in memories that have a state or a window for each.
int Engine::ids_needed() const {
  if (recurrent_) return 4 * static_cast<int>(sequences_.size());
  return 3 * (sliding_window_ > 0 ? static_cast<int>(sequences_.size()) : options_.max_sequences);
}

// Makes the context at the first job, and a larger one when more sequences have been opened than it has cells for:
// what they hold is carried over as it is.
void Engine::ensure_cells() {
  int needed = options_.cache_tokens;
  if (needed == 0) {
    needed = options_.batch_size;
    for (const auto& [handle, sequence] : sequences_) needed += cells_needed(sequence.cache->limits());
  }
  const int ids = std::max(ids_, ids_needed());
  if (context_ && cells_ >= needed && ids == ids_) return;
  if (context_) {
    // Cells that a bookmark, or what is held in a windowed layer, shares become its own on the way.
    for (const auto& [handle, sequence] : sequences_) {
      if (sequence.running) needed += static_cast<int>(sequence.running->bookmarks.size()) * cells_needed(sequence.cache->limits());
      if (sequence.hold >= 0) needed += sliding_window_;
    }
  }
  const int cells_before = cells_;
  const auto saved = save_states();
  if (context_) llama().llama_free(context_);
  const int ids_before = std::exchange(ids_, ids);
  for (int id = ids - 1; id >= ids_before; id--) free_ids_.push_back(id);
  context_ = make_context(needed, ids);
  const bool larger = context_ != nullptr;
  const std::string reason = larger ? "" : LlamaLibrary::take_errors();
  if (!larger && cells_before > 0) context_ = make_context(cells_before, ids);
  if (context_) {
    memory_ = llama().llama_get_memory(context_);
    restore_states(saved);
  } else {
    // Not even the old one: everybody begins again, when there is memory.
    cells_ = ids_ = 0;
    free_ids_.clear();
    for (auto& [handle, sequence] : sequences_) {
      sequence.current = sequence.hold = sequence.state = -1;
      if (sequence.running) sequence.running->bookmarks.clear();
      start_over(sequence);
    }
  }
  if (!larger) {
    throw Failure("OUT_OF_MEMORY", "llama.cpp could not make a cache of " + std::to_string(needed) + " tokens" + (reason.empty() ? "" : ": " + reason) +
                                       "; use a smaller window, fewer sequences, or kvType 'q8_0'");
  }
  if (!memory_) throw Failure("MODEL_UNSUPPORTED", "this model keeps no memory of what it has read, so it cannot generate text");
}

std::vector<Engine::SavedState> Engine::save_states() {
  std::vector<SavedState> saved;
  if (!context_) return saved;
  for (auto& [handle, sequence] : sequences_) {
    // A saved state leaves out what its newest token cannot see in a windowed layer; the oldest token that may be
    // taken back can, so what is held must end there.
    if (sliding_window_ > 0 && sequence.hold >= 0 && sequence.running && !sequence.running->journal.empty()) {
      llama().llama_memory_seq_rm(memory_, sequence.hold, sequence.running->journal.front().mark.next, -1);
    }
    std::vector<int> used{sequence.current, sequence.hold, sequence.state};
    if (sequence.running) {
      for (const auto& bookmark : sequence.running->bookmarks) used.push_back(bookmark.id);
    }
    for (const int id : used) {
      if (id < 0) continue;
      SavedState one{&sequence, id, std::vector<uint8_t>(llama().llama_state_seq_get_size(context_, id))};
      llama().llama_state_seq_get_data(context_, one.bytes.data(), one.bytes.size(), id);
      saved.push_back(std::move(one));
    }
  }
  return saved;
}

void Engine::restore_states(const std::vector<SavedState>& saved) {
  std::set<Sequence*> lost;
  for (const auto& one : saved) {
    if (llama().llama_state_seq_set_data(context_, one.bytes.data(), one.bytes.size(), one.id) == 0) lost.insert(one.sequence);
  }
  for (Sequence* sequence : lost) start_over(*sequence);
}

llama_context* Engine::make_context(int cells, int ids) {
  auto params = llama().llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>((cells + 255) / 256 * 256);
  // A batch never holds more than one ubatch: with a sliding window llama.cpp's pruning corrupts longer ones once
  // the sinks have moved.
  params.n_batch = params.n_ubatch = static_cast<uint32_t>(options_.batch_size);
  params.n_seq_max = static_cast<uint32_t>(ids);
  params.n_outputs_max = params.n_seq_max;
  params.n_threads = params.n_threads_batch = options_.threads;
  params.kv_unified = true;
  params.type_k = params.type_v = options_.kv_type;
  params.flash_attn_type = options_.flash_attention;
  params.abort_callback = [](void* data) { return static_cast<const std::atomic<bool>*>(data)->load(std::memory_order_relaxed); };
  params.abort_callback_data = &stopping_;
  LlamaLibrary::take_errors();
  llama_context* context = nullptr;
  guarded([&] { context = llama().llama_init_from_model(model_->get(), params); });
  if (context) cells_ = static_cast<int>(llama().llama_n_ctx(context));
  return context;
}

int Engine::take_id() {
  if (free_ids_.empty()) throw Failure("NO_SEQUENCE_LEFT", "no sequence id is left");
  const int id = free_ids_.back();
  free_ids_.pop_back();
  return id;
}

void Engine::give_id(int& id) {
  if (id < 0) return;
  llama().llama_memory_seq_rm(memory_, id, -1, -1);
  free_ids_.push_back(id);
  id = -1;
}

}  // namespace streaming
