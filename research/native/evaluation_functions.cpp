#include "evaluation_functions.h"

#include "llama/llama_library.h"

namespace streaming {

const EvaluationFunctions& EvaluationFunctions::get() {
  // Never destroyed: a thread may still be at work while the process exits.
  static const EvaluationFunctions& functions = *[] {
    auto* found = new EvaluationFunctions;
#define X(f) found->f = reinterpret_cast<decltype(found->f)>(LlamaLibrary::symbol(#f));
    EVALUATION_FUNCTIONS(X)
#undef X
    return found;
  }();
  return functions;
}

}  // namespace streaming
