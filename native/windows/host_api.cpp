// Node-API for the prebuilt addon on Windows, taken from the program that runs: node.exe under any name, Electron, a
// single executable application, bun.exe. An import library would name node.exe for good, and other programs lack it.
//
// Each function of Node-API is a jump through a pointer, which is set when the addon is loaded, before anything of it
// runs. scripts/prebuild writes node_api_functions.h, the list of them: NODE_API_FUNCTIONS(X).

#include <windows.h>

#include <initializer_list>

#include "node_api_functions.h"

namespace {

// What stands for a function that the host lacks: napi_generic_failure, which node-addon-api makes an error of.
extern "C" int streaming_missing_function() { return 9; }

FARPROC find_in_host(const char* name) {
  // Where the program keeps Node in a library, it is one of these.
  for (const wchar_t* library : {static_cast<const wchar_t*>(nullptr), L"node.dll", L"libnode.dll"}) {
    const auto module = GetModuleHandleW(library);
    if (const auto function = module ? GetProcAddress(module, name) : nullptr) return function;
  }
  return reinterpret_cast<FARPROC>(&streaming_missing_function);
}

}  // namespace

#if defined(__x86_64__)
#define JUMP(f) "jmpq *streaming_" #f "(%rip)"
#elif defined(__aarch64__)
#define JUMP(f) "adrp x16, streaming_" #f "\n\tldr x16, [x16, :lo12:streaming_" #f "]\n\tbr x16"
#else
#error "Which processor is this?"
#endif

#define X(f)                                            \
  extern "C" {                                          \
  FARPROC streaming_##f = nullptr;                      \
  __attribute__((naked)) void f() { __asm__(JUMP(f)); } \
  }
NODE_API_FUNCTIONS(X)
#undef X

namespace {

const bool found = [] {
#define X(f) streaming_##f = find_in_host(#f);
  NODE_API_FUNCTIONS(X)
#undef X
  return true;
}();

}  // namespace
