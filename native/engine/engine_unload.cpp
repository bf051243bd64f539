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
  return context_.has_weights() || model_->loaded();
}

// Each sequence keeps its tokens, and what the cache held of it is put away as for another sequence.
void Engine::unload() {
  for (auto& [handle, sequence] : sequences_) {
    sequence.hold.reset();
    if (sequence.current) swap_out(sequence);
  }
  context_.unload();
  model_->unload();
}

}  // namespace streaming
