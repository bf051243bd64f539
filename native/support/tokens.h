#pragma once
#include <cstdint>

namespace streaming {

// As llama.cpp has them; here, so that what knows no llama.cpp needs none of its headers.
using Token = int32_t;
using Position = int32_t;

}  // namespace streaming
