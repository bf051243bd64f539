#pragma once
#include <napi.h>

#include <string>

#include "failure.h"

// Between JavaScript's values and ours, for the addons. JavaScript's thread alone.
namespace streaming {

inline Napi::Error to_error(Napi::Env env, const Failure& failure) {
  auto error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

inline double number(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().DoubleValue(); }
inline int integer(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().Int32Value(); }
inline std::string text(const Napi::Object& from, const char* name) { return from.Get(name).ToString().Utf8Value(); }

}  // namespace streaming
