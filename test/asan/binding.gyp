# The addon under AddressSanitizer and UndefinedBehaviorSanitizer, for `npm run test:asan` (scripts/sanitize/asan.ts), never
# part of the package; apart from the sanitizers the flags are those of the addon's own binding.gyp.
{
  "variables": {
    # clang's runtime must be the shared one, which Node is started with.
    "clang_flags": "<!(node -p \"/clang/.test(process.env.CXX || '') ? '-shared-libasan' : '-g1'\")"
  },
  "target_defaults": {
    "include_dirs": [
      "<!(node -p \"require('node-addon-api').include_dir\")",
      "../../native",
      "../../native/include/llama.cpp"
    ],
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    "cflags!": ["-fno-exceptions", "-O3", "-fomit-frame-pointer"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++1y", "-std=gnu++20"],
    # What is undefined ends the process, as a bad address does. Null pointers are left to the latter: with these checks
    # gcc takes no comparison of a function with null for constant, as node-addon-api needs it.
    "cflags_cc": ["-std=c++20", "-O1", "-g1", "-fvisibility=hidden", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute", "<(clang_flags)"],
    "ldflags": ["-fsanitize=address,undefined", "<(clang_flags)"],
    "libraries": ["-ldl"]
  },
  "targets": [
    {
      "target_name": "engine",
      "type": "static_library",
      "sources": ["<!@(node ../../scripts/native-sources.mjs engine)"]
    },
    {
      "target_name": "streaming_llm",
      "dependencies": ["engine"],
      "sources": ["<!@(node ../../scripts/native-sources.mjs module)"]
    },
    {
      "target_name": "streaming_llm_test",
      "dependencies": ["engine"],
      "sources": ["<!@(node ../../scripts/native-sources.mjs test)"]
    }
  ]
}
