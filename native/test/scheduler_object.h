#pragma once
#include <napi.h>

namespace streaming {

// Scheduler over CachedTokens objects, for its test.
Napi::Function define_scheduler(Napi::Env env);

}  // namespace streaming
