#pragma once
#include <algorithm>
#include <cmath>

namespace streaming {

// The first index of the largest logit; -1 if any logit is not a number, or the largest is infinite: the samplers sort
// and sum, which is undefined behaviour with a NaN. Computed in lanes, so that the compiler vectorizes it.
inline int argmax(const float* logits, int count) {
  constexpr int kLanes = 16;
  float best[kLanes];
  int broken[kLanes] = {};
  std::fill(best, best + kLanes, -INFINITY);
  const int whole = count / kLanes * kLanes;
  for (int i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; lane++) {
      const float logit = logits[i + lane];
      broken[lane] |= logit != logit;
      best[lane] = logit > best[lane] ? logit : best[lane];
    }
  }
  for (int i = whole; i < count; i++) {
    broken[0] |= logits[i] != logits[i];
    best[0] = std::max(best[0], logits[i]);
  }
  const float found = *std::max_element(best, best + kLanes);
  if (!std::isfinite(found) || std::any_of(broken, broken + kLanes, [](int any) { return any != 0; })) return -1;
  return static_cast<int>(std::find(logits, logits + count, found) - logits);
}

}  // namespace streaming
