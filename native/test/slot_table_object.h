#pragma once
#include <napi.h>

namespace streaming {

// SlotTable by itself, for its test.
Napi::Function define_slot_table(Napi::Env env);

}  // namespace streaming
