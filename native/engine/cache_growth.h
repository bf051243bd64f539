#pragma once
#include <map>

#include "engine/context_options.h"
#include "engine/llama_context.h"
#include "engine/sequence.h"

namespace streaming {

// Makes the context at the first job, and a larger one when more sequences are open than it has cells for (as far as
// they can have slots at the same time). Their cells are carried over unchanged. Throws Failure MODEL_UNSUPPORTED or
// OUT_OF_MEMORY; the sequences then keep their cells, or are requeued. On the engine's thread.
void ensure_cells(LlamaContext& context, const ContextOptions& options, const MemoryKind& memory,
                  std::map<int, Sequence>& sequences);

}  // namespace streaming
