#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/cells.h"
#include "engine/context_options.h"
#include "llama/batch.h"
#include "llama/model.h"
#include "llama/thread_choice.h"
#include "llama/thread_pool.h"
#include "support/clock.h"

namespace streaming {

// A model's weights while they are needed, one llama.cpp context made of them, its threads and its sequence ids:
// everything the engine needs of llama.cpp. It knows no conversation. On the engine's thread, except for cells().
class LlamaContext final : public Cells {
 public:
  // The model must outlive all calls but the destructor. `stopping` returns true if a decode in progress should end at
  // once; it is called on the compute threads.
  LlamaContext(const Model& model, const ContextOptions& options, std::function<bool()> stopping);
  ~LlamaContext();
  LlamaContext(const LlamaContext&) = delete;
  LlamaContext& operator=(const LlamaContext&) = delete;

  // ---- weights and cells

  // Loads the weights, or checks that their files are unchanged. Loading is aborted once `should_continue` returns
  // false. Throws as Weights::load().
  void ensure_weights(const std::function<bool()>& should_continue);
  bool has_weights() const { return weights_ != nullptr; }
  bool exists() const { return context_ != nullptr; }
  int cells() const { return cells_; }  // any thread
  int ids() const { return ids_->count; }
  // Frees the context with its cells, and the weights. All ids become invalid.
  void unload();
  // Replaces the context by one of so many cells and ids. Only the ids are carried over. If llama.cpp cannot make it,
  // makes one as large as before; if that fails as well, there is none, and all ids become invalid.
  struct Made {
    bool larger;         // it has the requested cells
    bool asserted;       // llama.cpp failed an assertion on the way
    std::string reason;  // llama.cpp's error if it is not larger
  };
  Made make(int cells, int ids);
  bool has_memory() const { return memory_ != nullptr; }

  // ---- what lies under an id

  SequenceId take_id() override { return SequenceId(ids_); }
  bool remove(const SequenceId& id, Position from, Position to) override;
  void copy(const SequenceId& from_id, const SequenceId& to_id, Position from, Position to) override;
  void copy_state(const SequenceId& from_id, const SequenceId& to_id) override;
  Position newest(const SequenceId& id) const override;
  Position oldest(const SequenceId& id) const override;
  size_t size_of(const SequenceId& id) const override;
  size_t windowed_size_of(const SequenceId& id) const override;
  std::vector<uint8_t> read(const SequenceId& id) const override;
  size_t write(const SequenceId& id, const std::vector<uint8_t>& bytes) override;

  // ---- computing

  int batch_size() const override { return options_.batch_size; }
  void decode(Batch& batch) override;
  // Whether decodes are computed on the fixed number of threads, so that logits are the same to the last bit.
  void fix_threads(bool fixed) { fixed_ = fixed; }
  // The fixed number of threads may change now: no reproducible reply is in progress.
  void choose_fixed_threads();
  // Null: there are none.
  const float* logits(int index) const;

 private:
  void free_context();
  bool must_stop_decoding();
  llama_context* make_context(int cells, int ids);

  const Model& model_;
  const ContextOptions options_;
  const std::function<bool()> stopping_;
  const bool recurrent_;

  std::shared_ptr<Weights> weights_;  // from the first job on, or the first after they were unloaded
  llama_context* context_ = nullptr;
  llama_memory_t memory_ = nullptr;
  std::atomic<int> cells_{0};
  std::shared_ptr<SequenceIds> ids_ = std::make_shared<SequenceIds>();
  ThreadChoice thread_choice_;
  std::unique_ptr<ThreadPool> pool_;
  bool fixed_ = false;
  int threads_set_ = 0;         // the context's present number
  int fixed_threads_ = 0;       // on which reproducible replies are computed; 0: chosen by the next one
  bool fixed_is_slow_ = false;  // with so many, a decode has taken far too long: the next reply may have fewer
  Clock::time_point give_up_at_ = Clock::time_point::max();  // the decode in progress
  bool gave_up_ = false;
  std::string broken_;  // why nothing can be decoded any more; empty: it can
};

}  // namespace streaming
