#pragma once
#include <array>

#include "speculation/draft_length.h"
#include "speculation/ngram_index.h"

namespace streaming {

// What one conversation knows about what may come next. Made when a job first asks for speculation; on the engine's
// thread.
struct Speculation {
  NgramIndex index;
  Acceptance acceptance;
  int matched = 0;  // how many tokens speak for drafts[0] as the next one; 0: there is none
  std::array<Token, kMostDrafts> drafts{};
};

}  // namespace streaming
