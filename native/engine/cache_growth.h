#pragma once
#include <map>

#include "engine/context_options.h"
#include "engine/llama_context.h"
#include "engine/sequence.h"

namespace streaming {

// Makes the context at the first job, and a larger one when more sequences have been opened than it has cells for (as
// far as they can have a slot at a time): what they hold is carried over as it is. Throws Failure MODEL_UNSUPPORTED or
// OUT_OF_MEMORY; then they have what they had, or are requeued. On the engine's thread.
void ensure_cells(LlamaContext& context, const ContextOptions& options, const MemoryKind& memory,
                  std::map<int, Sequence>& sequences);

}  // namespace streaming
