#pragma once
#include <string>

namespace streaming {

// Writes the model at `source` in another weight type to `target`, also from weights that are quantized already.
// `type` is one of f32, f16, q8_0, q4_0, q4_1, q5_1, q4_K_M. Throws Failure INVALID_OPTION for another type,
// MODEL_UNSUPPORTED with llama.cpp's reason where it refuses.
void quantize(const std::string& source, const std::string& target, const std::string& type, int threads);

}  // namespace streaming
