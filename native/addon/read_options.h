#pragma once
#include <napi.h>

#include "engine/engine.h"
#include "policy/cache_policy.h"

// Options as JavaScript gives them, which lib/options/parse.ts has checked. All throw Failure INVALID_OPTION for names
// that stand for nothing.
namespace streaming {

ContextOptions read_context_options(const Napi::Object& from);
CachePolicy::Limits read_limits(const Napi::Object& from, int trained_length);
// What a sequence is to do, without its stream. Throws Failure for tokens that the model has not, too.
Job read_job(const Napi::Object& from, const Model& model);

}  // namespace streaming
