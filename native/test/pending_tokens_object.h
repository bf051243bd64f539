#pragma once
#include <napi.h>

namespace streaming {

// PendingTokens by itself, for its test.
Napi::Function define_pending_tokens(Napi::Env env);

}  // namespace streaming
