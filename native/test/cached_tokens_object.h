#pragma once
#include <napi.h>

#include "engine/cached_tokens.h"

namespace streaming {

// CachedTokens on cells that hold nothing but tokens, for tests.
Napi::Function define_cached_tokens(Napi::Env env);
const CachedTokens& unwrap_cached_tokens(const Napi::Value& object);

}  // namespace streaming
