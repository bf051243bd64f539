// The weights and the cache of a model that nobody has used for a while go, and come back with the next job.
#include "engine/engine.h"
#include "support/failure.h"

namespace streaming {

// The latter: nobody asks for anything, and no reader may yet go back.
bool Engine::may_unload() const {
  if (options_.unload_after_ms <= 0 || !queue_.empty()) return false;
  for (const auto& [handle, sequence] : sequences_) {
    if (sequence.running) return false;
  }
  return weights_ || model_->loaded();
}

// Each sequence keeps its tokens, and what the cache held of it is put away as for another sequence.
void Engine::unload() {
  for (auto& [handle, sequence] : sequences_) {
    give_id(sequence.hold);
    if (sequence.current >= 0) swap_out(sequence);
  }
  if (context_) llama().llama_free(context_);
  context_ = nullptr;
  memory_ = nullptr;
  cells_ = ids_ = 0;
  free_ids_.clear();
  pool_.reset();
  weights_.reset();
  model_->unload();
}

// For each job they are what was loaded. Loading is given up when the model is closed or the job it is for is left.
void Engine::need_weights(const Sequence& sequence) {
  if (weights_) return weights_->need_unchanged();
  weights_ = model_->weights([&](float) { return !stopping_ && !sequence.running->job.stream->cancelled(); });
}

}  // namespace streaming
