#include "support/big_stack.h"

#include <exception>
#include <string>

#include "support/failure.h"

#ifdef _WIN32
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace streaming {
namespace {

struct Work {
  const std::function<void()>& call;
  std::exception_ptr thrown;

  void run() noexcept {
    try {
      call();
    } catch (...) {
      thrown = std::current_exception();
    }
  }
};

#ifdef _WIN32
unsigned __stdcall run_work(void* work) {
  static_cast<Work*>(work)->run();
  return 0;
}

bool run_and_wait(size_t bytes, Work& work) {
  if (bytes > 0xFFFF0000u) return false;
  const auto thread = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, static_cast<unsigned>(bytes), run_work, &work,
                                                              STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr));
  if (!thread) return false;
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  return true;
}
#else
void* run_work(void* work) {
  static_cast<Work*>(work)->run();
  return nullptr;
}

bool run_and_wait(size_t bytes, Work& work) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_t thread;
  const bool started =
      pthread_attr_setstacksize(&attributes, bytes) == 0 && pthread_create(&thread, &attributes, run_work, &work) == 0;
  pthread_attr_destroy(&attributes);
  if (started) pthread_join(thread, nullptr);
  return started;
}
#endif

}  // namespace

void on_big_stack(size_t bytes, const std::function<void()>& work) {
  constexpr size_t kPage = 65536;  // the largest that systems have
  Work mine{work, nullptr};
  if (!run_and_wait((bytes + kPage - 1) / kPage * kPage, mine)) {
    throw Failure("OUT_OF_MEMORY", "the system gives no thread with a stack of " + std::to_string(bytes >> 20) +
                                       " MB, which a text of this length may need; pass it in parts, or allow this "
                                       "process more memory or threads");
  }
  if (mine.thrown) std::rethrow_exception(mine.thrown);
}

}  // namespace streaming
