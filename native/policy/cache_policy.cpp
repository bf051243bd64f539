#include "policy/cache_policy.h"

#include "policy/dense_cache.h"
#include "policy/recompute_cache.h"
#include "policy/sink_cache.h"

namespace streaming {

std::unique_ptr<CachePolicy> make_cache_policy(const CachePolicy::Limits& limits) {
  switch (limits.kind) {
    case CachePolicy::dense: return std::make_unique<DenseCache>(limits);
    case CachePolicy::recompute:
    case CachePolicy::refill: return std::make_unique<RecomputeCache>(limits);
    case CachePolicy::streaming: break;
  }
  return std::make_unique<SinkCache>(limits);
}

}  // namespace streaming
