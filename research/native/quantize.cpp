#include "quantize.h"

#include <map>

#include "evaluation_functions.h"
#include "llama/catch_exceptions.h"
#include "llama/llama_library.h"
#include "support/failure.h"

namespace streaming {

void quantize(const std::string& source, const std::string& target, const std::string& type, int threads) {
  static const std::map<std::string, llama_ftype> types = {
      {"f32", LLAMA_FTYPE_ALL_F32},          {"f16", LLAMA_FTYPE_MOSTLY_F16},   {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
      {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},     {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1}, {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
      {"q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M},
  };
  const auto found = types.find(type);
  if (found == types.end())
    throw Failure("INVALID_OPTION",
                  "'" + type + "' is no type to quantize to; f32, f16, q8_0, q4_0, q4_1, q5_1 and q4_K_M are");
  const auto& functions = EvaluationFunctions::get();
  auto params = functions.llama_model_quantize_default_params();
  params.ftype = found->second;
  params.nthread = threads;
  params.allow_requantize = true;
  LlamaLibrary::take_errors();
  uint32_t refused = 0;
  const auto thrown =
      catch_exceptions([&] { refused = functions.llama_model_quantize(source.c_str(), target.c_str(), &params); });
  if (!thrown && refused == 0) return;
  const std::string reason = thrown ? *thrown : LlamaLibrary::take_errors();
  throw Failure("MODEL_UNSUPPORTED",
                "llama.cpp cannot write " + source + " as " + type + (reason.empty() ? "" : ": " + reason));
}

}  // namespace streaming
