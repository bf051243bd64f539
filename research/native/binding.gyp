# For the evaluation scripts only, never part of the package; the flags are those of the addon's own binding.gyp.
{
  "targets": [{
    "target_name": "streaming_llm_evaluation",
    "sources": ["addon.cpp", "evaluation_functions.cpp", "attention.cpp", "quantize.cpp", "shift_score.cpp", "../../native/llama/assertions.cpp", "../../native/llama/backends.cpp", "../../native/support/big_stack.cpp", "../../native/llama/llama_library.cpp", "../../native/support/mapped_file.cpp", "../../native/llama/model.cpp", "../../native/llama/rpc.cpp", "../../native/llama/shared_library.cpp", "../../native/llama/text_cuts.cpp", "../../native/llama/tokenizer.cpp", "../../native/llama/vocabulary_texts.cpp", "../../native/llama/weights.cpp"],
    "include_dirs": [
      "<!(node -p \"require('node-addon-api').include_dir\")",
      "../../native",
      "../../native/include/llama.cpp"
    ],
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    # Node's own defaults are for code without exceptions and run-time types; llama.cpp throws.
    "cflags!": ["-fno-exceptions", "-O3"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++1y", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-O2", "-fvisibility=hidden"],
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
  }]
}
