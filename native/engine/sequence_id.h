#pragma once
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "support/failure.h"

namespace streaming {

// The sequence ids of one cache. They outlive it while an id is still held.
struct SequenceIds {
  std::function<void(int)> release;  // removes the cells under an id; null once the cache is gone: ids are invalid then
  std::vector<int> free;
  int count = 0;
};

// One sequence id of llama.cpp, which owns the cells that it names: when this object is destroyed, they are removed and
// the id is free again. On the engine's thread.
class SequenceId {
 public:
  SequenceId() = default;
  // Throws Failure NO_SEQUENCE_LEFT.
  explicit SequenceId(std::shared_ptr<SequenceIds> ids) : ids_(std::move(ids)) {
    if (ids_->free.empty()) throw Failure("NO_SEQUENCE_LEFT", "no sequence id is left");
    id_ = ids_->free.back();
    ids_->free.pop_back();
  }
  SequenceId(SequenceId&& other) noexcept : ids_(std::move(other.ids_)), id_(std::exchange(other.id_, -1)) {}
  SequenceId& operator=(SequenceId&& other) noexcept {
    if (this == &other) return *this;
    reset();
    ids_ = std::move(other.ids_);
    id_ = std::exchange(other.id_, -1);
    return *this;
  }
  ~SequenceId() { reset(); }

  // False as well once the cache is gone: in a new cache the same number may name other cells.
  explicit operator bool() const { return id_ >= 0 && ids_->release; }
  int get() const { return id_; }
  void reset() {
    const int id = std::exchange(id_, -1);
    const auto ids = std::exchange(ids_, nullptr);
    if (id < 0 || !ids->release) return;
    ids->release(id);
    ids->free.push_back(id);
  }

 private:
  std::shared_ptr<SequenceIds> ids_;
  int id_ = -1;
};

}  // namespace streaming
