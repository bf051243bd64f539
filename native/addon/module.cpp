#include "addon/exports.h"

namespace streaming {
NODE_API_MODULE(streaming_llm, define_exports)
}
