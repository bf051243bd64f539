#pragma once
#include <napi.h>

namespace streaming {

// Adds the parts of speculation alone, for tests: NgramIndex, DraftLength. lib/native.ts is their type.
void define_speculation_objects(Napi::Env env, Napi::Object exports);

}  // namespace streaming
