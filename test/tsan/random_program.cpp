#include "random_program.h"

#include <algorithm>
#include <ctime>
#include <stdexcept>

#include "support/failure.h"

using namespace streaming;
using namespace std::chrono_literals;

namespace {

// Seconds of the process's own time, on however busy a machine: far more than all jobs together take. And the least
// that it computes in a minute, however few of it the machine leaves it, as long as there is something to do.
constexpr double kPatience = 120, kMinShareOfMinute = 0.5;

double seconds_computed() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

constexpr int kMaxSequences = 6;

// Every code that the engine may give here; the others mean that its bookkeeping is wrong.
bool expected(const std::string& code) {
  static const std::vector<std::string> codes{"CLOSED",         "EVICTED",    "WINDOW_TOO_LARGE",
                                              "INVALID_OPTION", "CACHE_FULL", "POLICY_UNAVAILABLE",
                                              "TEXT_TOO_LONG",  "ABORTED"};
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

std::string name_of(const Job& job) {
  static constexpr const char* names[] = {"append", "add",           "score",       "generate", "rebase",
                                          "cut",    "replace_sinks", "read_tokens", "save",     "restore"};
  static_assert(std::size(names) == std::variant_size_v<jobs::Any>);
  return names[job.what.index()];
}

}  // namespace

void RandomProgram::load() {
  Weights::LoadOptions where;
  ContextOptions options;
  options.threads = 1 + below(3);
  options.threads_may_change = below(2) == 0;
  options.batch_size = 32 << below(2);
  options.max_sequences = 2 + below(2);
  options.queues = true;  // more sequences than places: they are written out and read in again
  options.unload_after_ms = below(2) == 0 ? 0 : 1 + below(10);
  options.flash_attention = below(2) == 0 ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  // A thread of libuv's pool loads, and hands over what it has loaded.
  std::thread([&] {
    model_ = Model::load(path_, where, options.unload_after_ms > 0, [](float) { return true; });
  }).join();
  engine_ = std::make_shared<Engine>(model_, options);
  embedder_ = std::make_shared<Embedder>(model_, options);
  counts_["load"]++;
}

void RandomProgram::run(int operations) {
  load();
  for (int i = 0; i < operations; i++) {
    operation();
    loop_->run(below(4) == 0 ? below(20) * 1ms : 0ms);
  }
  read_to_the_end();
  // Now and then the end finds the model open, as that of a process does.
  if (below(2) == 0) close_model();
  for (auto& closer : closers_) closer.join();
  closers_.clear();
}

void RandomProgram::operation() {
  std::erase_if(clients_, [](const auto& client) { return client->closed && !client->busy(); });
  const int choice = below(100);
  if (choice < 8) return open();
  if (choice < 12) return open_restored();
  if (choice < 50) {
    if (const auto client = some(false)) start(*client);
    return;
  }
  if (choice < 54) {
    if (const auto client = some(false)) fork(*client);
    return;
  }
  if (choice < 57) {
    if (const auto client = some(below(2) == 0)) close(client);
    return;
  }
  if (choice < 60) return embed();
  if (choice < 61) return close_model();
  if (choice < 64) {
    // Text and tokens, beside the engine's own use of the vocabulary.
    model_->detokenize(model_->tokenize("the quick brown fox <|im_end|>", below(2) == 0), true);
    counts_[model_->loaded() ? "loaded" : "unloaded"]++;
    return;
  }
  const auto client = some(true);
  if (!client) return;
  if (choice < 76) take(*client);
  else if (choice < 92) wait(client);
  else if (choice < 97) client->stream->cancel(), counts_["cancel"]++;
  else client->stream->abandon(), counts_["abandon"]++;
}

// ---- sequences

CachePolicy::Limits RandomProgram::some_limits() {
  const auto& info = model_->info();
  const bool recurs = info.recurrent && !info.hybrid;
  const int window = 24 + below(60);
  const int kind = below(10);
  if (kind == 0) return {CachePolicy::dense, 0, window + 200, 1, info.trained_length, 0, false};
  if (kind == 1 && !recurs) return {CachePolicy::recompute, 0, window, 1, info.trained_length, 0, false};
  return {CachePolicy::streaming, recurs ? 0 : below(5), window, 1 + below(12), info.trained_length, 0, below(3) == 0};
}

void RandomProgram::open() {
  if (clients_.size() >= kMaxSequences) return;
  const auto limits = some_limits();
  const Position rebase_after = below(3) == 0 ? 200 + below(200) : 131'072;
  const int handle = engine_->open(limits, rebase_after, true);
  add(handle, limits);
  counts_["open"]++;
}

std::shared_ptr<RandomProgram::Client> RandomProgram::add(int handle, const CachePolicy::Limits& limits) {
  return clients_.emplace_back(
      std::make_shared<Client>(Client{.engine = engine_, .handle = handle, .limits = limits, .stream = nullptr}));
}

void RandomProgram::open_restored() {
  if (saved_.empty() || clients_.size() >= kMaxSequences) return;
  const auto& saved = saved_[static_cast<size_t>(below(static_cast<int>(saved_.size())))];
  const int handle = engine_->open(saved.limits, 131'072, true);
  const auto client = add(handle, saved.limits);
  Job job{.what = jobs::Restore{saved.state, below(3) == 0}, .priority = 0, .stream = engine_->make_stream()};
  client->stream = job.stream;
  client->job = name_of(job);
  engine_->start(handle, std::move(job));
  counts_["restore"]++;
}

void RandomProgram::fork(Client& client) {
  if (clients_.size() >= kMaxSequences) return;
  const int handle = engine_->fork(client.handle);
  add(handle, client.limits);
  counts_["fork"]++;
}

void RandomProgram::close(const std::shared_ptr<Client>& client) {
  engine_->close(client->handle);
  client->closed = true;
  counts_["close"]++;
}

std::shared_ptr<RandomProgram::Client> RandomProgram::some(bool busy) {
  std::vector<std::shared_ptr<Client>> fitting;
  for (const auto& client : clients_) {
    if (client->busy() == busy && (busy || !client->closed)) fitting.push_back(client);
  }
  return fitting.empty() ? nullptr : fitting[static_cast<size_t>(below(static_cast<int>(fitting.size())))];
}

std::vector<Token> RandomProgram::some_tokens(int most) {
  std::vector<Token> tokens(static_cast<size_t>(1 + below(most)));
  for (auto& token : tokens) token = 3 + below(model_->vocab_size() - 3);
  return tokens;
}

jobs::Any RandomProgram::some_work(const Client& client) {
  const auto tokens = [&] { return some_tokens(below(4) == 0 ? 150 : 20); };
  const auto turns = client.limits.by_turn ? std::vector<int>{0} : std::vector<int>();
  switch (below(14)) {
    case 0:
    case 1: return jobs::Append{tokens(), turns};
    case 2: return jobs::Score{some_tokens(12)};
    case 3: return jobs::Rebase{};
    case 4:
    case 5: return jobs::Cut{below(60)};
    case 6: return jobs::ReplaceSinks{some_tokens(12)};
    case 7: return jobs::ReadTokens{};
    case 8: return jobs::Save{};
    default: return some_reply(tokens(), turns);
  }
}

jobs::Generate RandomProgram::some_reply(std::vector<Token> tokens, std::vector<int> turns) {
  jobs::Generate job;
  job.tokens = std::move(tokens), job.turns = std::move(turns);
  job.max_tokens = below(4) == 0 ? 0 : 1 + below(60);
  if (job.max_tokens == 0 || below(8) == 0) job.time_limit_ms = 1 + below(300);
  if (below(3) == 0) job.stops = {"e", "th"};
  job.sampling.temperature = below(3) == 0 ? 0.0f : 1.0f;
  job.sampling.repeat_penalty = below(3) == 0 ? 1.2f : 1.0f;
  job.sampling.seed = static_cast<uint32_t>(random_());
  job.speculation = below(4) == 0;
  if (below(8) == 0) job.alternatives = 2;
  if (below(8) == 0) job.grammar = "root ::= [a-z ]*";
  return job;
}

void RandomProgram::start(Client& client) {
  Job job{.what = some_work(client), .priority = static_cast<double>(below(3)), .stream = client.engine->make_stream()};
  client.stream = job.stream;
  client.job = name_of(job);
  client.reads = false;
  counts_[client.job]++;
  client.engine->start(client.handle, std::move(job));
}

// ---- streams

void RandomProgram::take(Client& client) {
  auto event = client.stream->take();
  if (!event) return;
  if (auto* finish = std::get_if<events::Finish>(&*event)) {
    counts_["finish " + finish->reason]++;
    if (client.job == "save" && saved_.size() < 20) saved_.push_back({client.limits, std::move(finish->state)});
  }
  const auto* error = std::get_if<events::Error>(&*event);
  if (!error) return;
  counts_["error " + error->code]++;
  if (!expected(error->code))
    throw std::runtime_error(client.job + " ended with " + error->code + ": " + error->message);
}

// From now on its reader takes whatever comes.
void RandomProgram::wait(const std::shared_ptr<Client>& client) {
  client->reads = true;
  client->stream->wait([this, loop = loop_, client, stream = client->stream] {
    loop->post([this, client, stream] {
      if (client->stream != stream) return;  // another job has begun since
      if (client->busy()) take(*client);
      if (client->busy()) wait(client);
    });
  });
}

void RandomProgram::read_to_the_end() {
  for (const auto& client : clients_) {
    if (client->busy() && below(3) == 0) client->stream->cancel();
    if (client->busy()) wait(client);
  }
  const double give_up = seconds_computed() + kPatience;
  double computed = seconds_computed();
  auto minute = Clock::now() + 1min;
  while (std::any_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->busy(); })) {
    loop_->run(50ms);
    const bool is_idle = Clock::now() > minute && seconds_computed() - computed < kMinShareOfMinute;
    if (is_idle || seconds_computed() > give_up)
      throw std::runtime_error("no end, " +
                               std::string(is_idle ? "and nothing is computed: " : "though much is computed: ") +
                               jobs_at_work());
    if (Clock::now() > minute) minute += 1min, computed = seconds_computed();
  }
}

std::string RandomProgram::jobs_at_work() const {
  std::string jobs;
  for (const auto& client : clients_) {
    if (!client->stream) continue;
    jobs += std::string(jobs.empty() ? "" : ", ") + client->job + (client->closed ? " of a closed sequence" : "") +
            (client->stream->cancelled() ? ", left" : "") + (client->busy() ? "" : ", done");
  }
  return jobs;
}

// ---- the model

void RandomProgram::embed() {
  if (embedding_ && below(2) == 0) *embedding_ = true;
  embedding_ = std::make_shared<std::atomic<bool>>(false);
  Embedder::Request request{{"some text", "and another, which is longer"}, Embedder::mean, true, 1000};
  embedder_->start(
      [embedder = embedder_.get(), request = std::move(request), aborted = embedding_, releases = below(4) == 0] {
        try {
          embedder->embed(request, *aborted);
        } catch (const Failure& failure) {
          if (!expected(failure.code)) throw;
        }
        if (releases) embedder->release();
      });
  counts_["embed"]++;
}

// As model.close() does it: on a thread of its own, while what is running is still read; the next model is loaded
// meanwhile.
void RandomProgram::close_model() {
  closers_.emplace_back([engine = std::move(engine_), embedder = std::move(embedder_)] {
    embedder->stop();
    engine->stop();
  });
  // Who holds a sequence may ask something of it as long as the model is there.
  for (const auto& client : clients_) {
    if (!client->busy() && !client->closed && below(3) == 0) start(*client);
  }
  model_.reset();
  embedding_.reset();
  read_to_the_end();
  for (const auto& client : clients_) client->engine->close(client->handle);
  clients_.clear();
  counts_["close model"]++;
  load();
}
