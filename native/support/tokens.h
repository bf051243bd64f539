#pragma once
#include <cstdint>

namespace streaming {

// As llama.cpp has them. Declared here so that code without llama.cpp needs none of its headers.
using Token = int32_t;
using Position = int32_t;

}  // namespace streaming
