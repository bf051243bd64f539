// The engine without Node, for ThreadSanitizer: `npm run test:tsan` builds and runs it. Several threads, each of which
// stands for one of JavaScript's (the main one, workers), with a model and an engine of its own, do random things at a
// time.
//
//   engine-program LIBRARIES SEED OPERATIONS MODEL.gguf ...      a thread for each model
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "llama/llama_library.h"
#include "random_program.h"
#include "support/failure.h"

int main(int count, char** arguments) {
  if (count < 5) {
    std::fprintf(stderr, "Usage: engine-program LIBRARIES SEED OPERATIONS MODEL.gguf ...\n");
    return 2;
  }
  const std::string libraries = std::string(arguments[1]) + "/";
  const auto seed = static_cast<uint32_t>(std::strtoul(arguments[2], nullptr, 10));
  const int operations = std::atoi(arguments[3]);
  const std::vector<std::string> models(arguments + 4, arguments + count);
  try {
    streaming::LlamaLibrary::open({libraries + "libllama.so",
                                   libraries + "libggml.so",
                                   libraries + "libggml-base.so",
                                   {libraries + "libggml-cpu.so"},
                                   {}});
  } catch (const streaming::Failure& failure) {
    std::fprintf(stderr, "%s: %s\n", failure.code.c_str(), failure.what());
    return 2;
  }
  // Somebody listens to the log, on whatever thread it is written.
  std::atomic<int> lines{0};
  streaming::LlamaLibrary::listen(&lines, [&lines](int, const char*) { lines++; });

  std::vector<std::unique_ptr<RandomProgram>> programs;
  std::vector<std::string> faults(models.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < models.size(); i++)
    programs.push_back(std::make_unique<RandomProgram>(models[i], seed + static_cast<uint32_t>(i)));
  for (size_t i = 0; i < models.size(); i++) {
    threads.emplace_back([&, i] {
      try {
        programs[i]->run(operations);
      } catch (const std::exception& error) {
        faults[i] = error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();

  bool sound = true;
  for (size_t i = 0; i < models.size(); i++) {
    std::printf("%s, seed %u:", models[i].c_str(), seed + static_cast<uint32_t>(i));
    for (const auto& [what, times] : programs[i]->counts()) std::printf(" %s %d,", what.c_str(), times);
    std::printf("\n");
    if (faults[i].empty()) continue;
    std::printf("  fault: %s\n", faults[i].c_str());
    sound = false;
  }
  std::fflush(stdout);
  // A fault has left a thread in the midst of its work.
  if (!sound) std::_Exit(1);
  programs.clear();
  streaming::LlamaLibrary::listen(&lines, nullptr);
  return 0;
}
