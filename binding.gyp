{
  "target_defaults": {
    "include_dirs": [
      "<!(node -p \"require('node-addon-api').include_dir\")",
      "native",
      "native/include/llama.cpp"
    ],
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    # Node's own defaults are for code without exceptions and run-time types; llama.cpp throws.
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++1y", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-O3", "-fvisibility=hidden"],
    "conditions": [
      ["OS=='linux'", {
        "libraries": ["-ldl"]
      }],
      ["OS=='mac'", {
        "xcode_settings": {
          "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
          "GCC_ENABLE_CPP_RTTI": "YES",
          "GCC_OPTIMIZATION_LEVEL": "2",
          "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
          "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
          "CLANG_CXX_LIBRARY": "libc++",
          "MACOSX_DEPLOYMENT_TARGET": "13.3"
        }
      }],
      ["OS=='win'", {
        "defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN"],
        "msvs_settings": {
          "VCCLCompilerTool": {
            "ExceptionHandling": 1,
            "RuntimeTypeInfo": "true",
            "AdditionalOptions": ["/std:c++20", "/O2", "/utf-8"]
          }
        }
      }]
    ]
  },
  "targets": [
    {
      # Everything, once for both addons.
      "target_name": "engine",
      "type": "static_library",
      "sources": ["<!@(node scripts/native-sources.mjs engine)"]
    },
    {
      "target_name": "streaming_llm",
      "dependencies": ["engine"],
      "sources": ["<!@(node scripts/native-sources.mjs module)"]
    },
    {
      # The same with parts of the engine by themselves, for tests; not in the package.
      "target_name": "streaming_llm_test",
      "dependencies": ["engine"],
      "sources": ["<!@(node scripts/native-sources.mjs test)"]
    }
  ]
}
