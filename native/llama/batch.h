#pragma once
#include <llama.h>

#include <cstddef>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// A llama_batch over arrays that are made once.
class Batch {
 public:
  explicit Batch(int capacity) : capacity_(capacity) {
    const auto size = static_cast<size_t>(capacity);
    tokens_.reserve(size), positions_.reserve(size), ids_.reserve(size), pointers_.reserve(size),
        outputs_.reserve(size);
    counts_.assign(size, 1);
  }
  void clear() { tokens_.clear(), positions_.clear(), ids_.clear(), outputs_.clear(); }
  int size() const { return static_cast<int>(tokens_.size()); }
  int left() const { return capacity_ - size(); }
  // Returns the index in the batch, by which the logits are found.
  int add(Token token, Position position, int id, bool output) {
    tokens_.push_back(token), positions_.push_back(position), ids_.push_back(id), outputs_.push_back(output);
    return size() - 1;
  }
  llama_batch get() {
    pointers_.clear();
    for (auto& id : ids_) pointers_.push_back(&id);
    return {size(), tokens_.data(), nullptr, positions_.data(), counts_.data(), pointers_.data(), outputs_.data()};
  }

 private:
  int capacity_;
  std::vector<Token> tokens_;
  std::vector<Position> positions_;
  std::vector<llama_seq_id> ids_;
  std::vector<llama_seq_id*> pointers_;
  std::vector<int32_t> counts_;
  std::vector<int8_t> outputs_;
};

}  // namespace streaming
