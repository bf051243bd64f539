#pragma once
#include <napi.h>

namespace streaming {

// Adds parts of the engine alone, for tests: CachePolicy, ThreadChoice, NgramIndex, DraftLength. lib/engine/native.ts
// is their type.
void define_test_objects(Napi::Env env, Napi::Object exports);

}  // namespace streaming
