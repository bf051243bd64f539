#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace streaming {

// Who has a slot in the cache, and who waits for one: at most so many sequences at a time, and no more than there are
// cells for. The longest idle one gives up its slot; where none is idle, the next job waits. Plain bookkeeping over
// handles; what sequences are and how they are swapped is the engine's. On the engine's thread.
class SlotTable {
 public:
  // `cells`: of the whole cache; 0: as many as the sequences need. `spare_cells`: those that a batch takes besides.
  SlotTable(int slots, int64_t cells, int64_t spare_cells) : slots_(slots), cells_(cells), spare_(spare_cells) {}

  // ---- the queue of those whose job waits

  void enqueue(int handle, double priority) { queue_.push_back({handle, priority}); }
  void remove(int handle);
  bool has_waiting() const { return !queue_.empty(); }
  // The next one: the highest priority, of equals the one that has waited longest. Those behind it wait for it though
  // they may need fewer cells, so that it cannot starve.
  std::optional<int> next() const;
  // All that wait, the longest first.
  std::vector<int> waiting() const;

  // ---- the slots

  struct Holder {
    int handle;
    int64_t cells;
    uint64_t last_used;  // when its last job ended, counted in jobs
    bool running;        // a job of it has its slot
    bool waiting;        // a job of it waits
    bool keeps_slot;     // keeps its slot now, whatever it does
  };
  // Which of the sequences that have a slot give theirs up, in this order, so that there is one for another that needs
  // so many cells: idle ones, the longest idle first; then those that wait as well, since the other has waited longer.
  // Nothing: there is none to be had now, however many give way, so none does.
  std::optional<std::vector<int>> slots_to_free(int64_t cells, std::vector<Holder> holders) const;

 private:
  struct Waiting {
    int handle;
    double priority;
  };
  const int slots_;
  const int64_t cells_, spare_;
  std::vector<Waiting> queue_;  // the longest first
};

}  // namespace streaming
