#include "engine/llama_context.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <optional>
#include <utility>

#include "llama/assertions.h"
#include "llama/catch_exceptions.h"
#include "speculation/draft_length.h"
#include "support/failure.h"

namespace streaming {
namespace {

// Beyond all positions. Copying a range there copies the recurrent state, which knows no ranges, and nothing else.
constexpr Position kNoPosition = INT_MAX - 1;

}  // namespace

llama_context_params context_params(const ContextOptions& options, int cells, int ids) {
  auto params = llama().llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>((cells + 255) / 256 * 256);
  // A batch never holds more than one ubatch: with a sliding window llama.cpp's pruning corrupts longer ones once
  // the sinks have moved.
  params.n_batch = params.n_ubatch = static_cast<uint32_t>(options.batch_size);
  params.n_seq_max = static_cast<uint32_t>(ids);
  params.n_threads = params.n_threads_batch = options.threads;
  params.kv_unified = true;
  params.type_k = params.type_v = options.kv_type;
  params.flash_attn_type = options.flash_attention;
  return params;
}

LlamaContext::LlamaContext(const Model& model, const ContextOptions& options, std::function<bool()> stopping)
    : model_(model),
      options_(options),
      stopping_(std::move(stopping)),
      recurrent_(model_.info().recurrent || model_.info().hybrid),
      thread_choice_(options.threads, options.batch_size, options.threads_may_change) {}

LlamaContext::~LlamaContext() { free_context(); }

// Ids stand for nothing until there is another.
void LlamaContext::free_context() {
  ids_->release = nullptr;
  memory_ = nullptr;
  if (context_) llama().llama_free(std::exchange(context_, nullptr));
}

void LlamaContext::ensure_weights(const std::function<bool()>& should_continue) {
  if (weights_) return weights_->check_unchanged();
  weights_ = model_.weights([&](float) { return should_continue(); });
}

void LlamaContext::unload() {
  free_context();
  ids_ = std::make_shared<SequenceIds>();
  cells_ = 0;
  pool_.reset();
  weights_.reset();
}

LlamaContext::Made LlamaContext::make(int cells, int ids) {
  const int cells_before = cells_;
  free_context();
  for (int id = ids - 1; id >= ids_->count; id--) ids_->free.push_back(id);
  ids_->count = ids;
  take_assertion();
  context_ = make_context(cells, ids);
  Made made{context_ != nullptr, take_assertion(), ""};
  if (!made.larger) made.reason = LlamaLibrary::take_errors();
  if (!made.larger && cells_before > 0) context_ = make_context(cells_before, ids);
  if (context_) {
    memory_ = llama().llama_get_memory(context_);
    // A model without memory has no cells to remove: its ids stand for nothing.
    if (memory_) ids_->release = [memory = memory_](int id) { llama().llama_memory_seq_rm(memory, id, -1, -1); };
  } else {
    ids_ = std::make_shared<SequenceIds>();
    cells_ = 0;
  }
  return made;
}

llama_context* LlamaContext::make_context(int cells, int ids) {
  auto params = context_params(options_, cells, ids);
  // Logits of a batch: those of one token of each sequence, and those of drafts. More is an assertion.
  params.n_outputs_max = std::max(params.n_seq_max, static_cast<uint32_t>(options_.max_sequences) + kMaxDrafts);
  params.abort_callback = [](void* data) { return static_cast<LlamaContext*>(data)->must_stop_decoding(); };
  params.abort_callback_data = this;
  llama_context* context = weights_->make_context(params);
  if (!context) return nullptr;
  broken_.clear();
  cells_ = static_cast<int>(llama().llama_n_ctx(context));
  if (!pool_) pool_ = std::make_unique<ThreadPool>(options_.threads);
  pool_->attach(context);
  threads_set_ = options_.threads;
  return context;
}

bool LlamaContext::remove(const SequenceId& id, Position from, Position to) {
  return llama().llama_memory_seq_rm(memory_, id.get(), from, to);
}

void LlamaContext::copy(const SequenceId& from_id, const SequenceId& to_id, Position from, Position to) {
  llama().llama_memory_seq_cp(memory_, from_id.get(), to_id.get(), from, to);
}

void LlamaContext::copy_state(const SequenceId& from_id, const SequenceId& to_id) {
  copy(from_id, to_id, kNoPosition, kNoPosition + 1);
}

Position LlamaContext::newest(const SequenceId& id) const {
  return llama().llama_memory_seq_pos_max(memory_, id.get());
}

Position LlamaContext::oldest(const SequenceId& id) const {
  return llama().llama_memory_seq_pos_min(memory_, id.get());
}

size_t LlamaContext::size_of(const SequenceId& id) const {
  return llama().llama_state_seq_get_size(context_, id.get());
}

size_t LlamaContext::windowed_size_of(const SequenceId& id) const {
  return llama().llama_state_seq_get_size_ext(context_, id.get(), LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY);
}

std::vector<uint8_t> LlamaContext::read(const SequenceId& id) const {
  std::vector<uint8_t> bytes;
  if (!id) return bytes;
  const auto thrown = catch_exceptions([&] {
    bytes.resize(size_of(id));
    bytes.resize(llama().llama_state_seq_get_data(context_, bytes.data(), bytes.size(), id.get()));
  });
  if (thrown) bytes.clear();
  return bytes;
}

size_t LlamaContext::write(const SequenceId& id, const std::vector<uint8_t>& bytes) {
  size_t taken = 0;
  if (!bytes.empty())
    catch_exceptions([&] { taken = llama().llama_state_seq_set_data(context_, bytes.data(), bytes.size(), id.get()); });
  return taken;
}

const float* LlamaContext::logits(int index) const {
  const float* logits = nullptr;
  const auto thrown = catch_exceptions([&] { logits = llama().llama_get_logits_ith(context_, index); });
  return thrown ? nullptr : logits;
}

// Called on this thread, one of the compute threads, between two operations of a graph. Only by CPU back ends.
bool LlamaContext::must_stop_decoding() {
  if (stopping_()) return true;
  if (give_up_at_ == Clock::time_point::max() || Clock::now() < give_up_at_) return false;
  return gave_up_ = true;
}

// The last bits of a logit depend on the number of threads, so all reproducible replies are computed on the same
// number. If that has become far too slow, the next reply changes it, but none that has begun.
void LlamaContext::choose_fixed_threads() {
  if (fixed_is_slow_) {
    if (fixed_threads_ == thread_choice_.threads()) thread_choice_.gave_up();
    fixed_threads_ = 0;
    fixed_is_slow_ = false;
  }
  if (fixed_threads_ == 0) fixed_threads_ = thread_choice_.threads();
}

void LlamaContext::decode(Batch& batch) {
  const bool fixed = fixed_;
  if (!broken_.empty()) throw Failure("DECODE_FAILED", broken_);
  LlamaLibrary::take_errors();
  take_assertion();
  int result = 0;
  std::optional<std::string> thrown;
  do {
    if (const int threads = fixed ? fixed_threads_ : thread_choice_.threads(); threads != threads_set_) {
      llama().llama_set_n_threads(context_, threads, threads);
      threads_set_ = threads;
    }
    // A recurrent state does not survive a decode that is given up.
    const double limit = recurrent_ || fixed ? INFINITY : thread_choice_.limit(batch.size());
    const auto begin = Clock::now();
    give_up_at_ = std::isfinite(limit) ? begin + std::chrono::microseconds(static_cast<int64_t>(limit * 1000))
                                       : Clock::time_point::max();
    gave_up_ = false;
    thrown = catch_exceptions([&] { result = llama().llama_decode(context_, batch.get()); });
    if (!thrown && result == 0) {
      const double elapsed = milliseconds(Clock::now() - begin);
      if (!fixed) thread_choice_.observe(batch.size(), elapsed);
      else {
        fixed_is_slow_ = fixed_is_slow_ || elapsed > thread_choice_.limit_on(fixed_threads_, batch.size());
        thread_choice_.observe_on(fixed_threads_, batch.size(), elapsed);
      }
      return;
    }
    // llama.cpp has removed the batch's cells again, so it can be decoded on fewer threads.
    if (gave_up_) thread_choice_.gave_up();
  } while (gave_up_ && !stopping_());
  if (stopping_()) throw Failure("CLOSED", "the model was closed");
  if (take_assertion()) {
    broken_ =
        "llama.cpp cannot compute this model (" + *thrown +
        "); its file or the options it was loaded with are wrong, and it decodes nothing more until it is loaded again";
    throw Failure("DECODE_FAILED", broken_);
  }
  throw Failure("DECODE_FAILED",
                thrown        ? "llama.cpp failed: " + *thrown
                : result == 1 ? "llama.cpp found no free cells in the cache; load the model with a larger cacheTokens"
                              : "llama.cpp failed with " + std::to_string(result) + ": " + LlamaLibrary::take_errors());
}

}  // namespace streaming
