#pragma once
#include <napi.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/failure.h"

// Between JavaScript's values and ours, for the addons. JavaScript's thread alone.
namespace streaming {

inline Napi::Error to_error(Napi::Env env, const Failure& failure) {
  auto error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

// Runs `body`; a Failure becomes a JavaScript exception.
template <class Body>
auto throwing(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Failure& failure) {
    throw to_error(env, failure);
  }
}

inline double number(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().DoubleValue(); }
inline int integer(const Napi::Object& from, const char* name) { return from.Get(name).ToNumber().Int32Value(); }
inline std::vector<int32_t> tokens(const Napi::Value& value) {
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}
inline Napi::Int32Array to_array(Napi::Env env, const std::vector<int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}
inline std::string text(const Napi::Object& from, const char* name) { return from.Get(name).ToString().Utf8Value(); }

inline std::vector<std::string> texts(const Napi::Value& value) {
  std::vector<std::string> list;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) list.push_back(array.Get(i).ToString().Utf8Value());
  return list;
}
inline std::vector<std::string> texts(const Napi::Object& from, const char* name) { return texts(from.Get(name)); }

// What one of several names stands for. Throws Failure INVALID_OPTION for another name.
template <class Value>
Value named(const Napi::Object& from, const char* option, const std::map<std::string, Value>& values) {
  const auto name = text(from, option);
  if (const auto found = values.find(name); found != values.end()) return found->second;
  std::string names;
  for (const auto& [each, value] : values) names += (names.empty() ? "'" : ", '") + each + "'";
  throw Failure("INVALID_OPTION", "'" + std::string(option) + "' must be one of " + names + ", got '" + name + "'");
}

}  // namespace streaming
