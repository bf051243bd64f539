#include "engine/slot_table.h"

#include <algorithm>
#include <tuple>

namespace streaming {

void SlotTable::remove(int handle) {
  std::erase_if(queue_, [&](const Waiting& one) { return one.handle == handle; });
}

std::optional<int> SlotTable::next() const {
  const auto first = std::max_element(queue_.begin(), queue_.end(),
                                      [](const Waiting& a, const Waiting& b) { return a.priority < b.priority; });
  return first == queue_.end() ? std::nullopt : std::optional(first->handle);
}

std::vector<int> SlotTable::waiting() const {
  std::vector<int> handles;
  for (const auto& one : queue_) handles.push_back(one.handle);
  return handles;
}

std::optional<std::vector<int>> SlotTable::slots_to_free(int64_t cells, std::vector<Holder> holders) const {
  int slots = 1 + static_cast<int>(holders.size());
  cells += spare_;
  for (const auto& holder : holders) cells += holder.cells;
  const auto fits = [&] { return slots <= slots_ && (cells_ == 0 || cells <= cells_); };

  std::erase_if(holders, [](const Holder& holder) { return holder.running || holder.keeps_slot; });
  std::stable_sort(holders.begin(), holders.end(), [](const Holder& a, const Holder& b) {
    return std::tie(a.waiting, a.last_used) < std::tie(b.waiting, b.last_used);
  });
  std::vector<int> to_free;
  for (auto holder = holders.begin(); !fits(); ++holder) {
    if (holder == holders.end()) return std::nullopt;
    to_free.push_back(holder->handle);
    slots--;
    cells -= holder->cells;
  }
  return to_free;
}

}  // namespace streaming
