#pragma once
#include <napi.h>

namespace streaming {

// Adds all that the library uses; lib/engine/native.ts is their type.
Napi::Object define_exports(Napi::Env env, Napi::Object exports);

}  // namespace streaming
