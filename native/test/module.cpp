// The addon of the tests: all that the package's has, and parts of the engine by themselves.
#include "addon/exports.h"
#include "test/test_objects.h"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  streaming::define_exports(env, exports);
  streaming::define_test_objects(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(streaming_llm_test, initialize)
