#pragma once
#include <napi.h>

namespace streaming {

// (path, options, progress) => { promise, abort }: loads a model, as NativeAddon.load in lib/engine/native.ts has it.
Napi::Value load_model(const Napi::CallbackInfo& info);

}  // namespace streaming
