#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace streaming {

// Which jobs wait for a slot in the cache, and which sequences must free theirs. The number of slots is limited, by
// count and by cells. The longest idle sequence gives up its slot; if none is idle, the next job waits. Plain
// bookkeeping over handles: the engine swaps the sequences. On the engine's thread.
class SlotTable {
 public:
  // `cells`: of the whole cache; 0: as many as the sequences need. `spare_cells`: those that a batch takes besides.
  SlotTable(int slots, int64_t cells, int64_t spare_cells) : slots_(slots), cells_(cells), spare_(spare_cells) {}

  // ---- the queue of waiting jobs

  void enqueue(int handle, double priority) { queue_.push_back({handle, priority}); }
  void remove(int handle);
  bool has_waiting() const { return !queue_.empty(); }
  // The next one: the highest priority, among equals the one that has waited longest. It blocks those behind it even if
  // they need fewer cells, so it cannot starve.
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
    bool keeps_slot;     // its slot may not be freed now
  };
  // The sequences whose slots are freed, in this order, so that another gets a slot with so many cells: idle ones, the
  // longest idle first; then those that wait themselves, since the other has waited longer. Nothing: even freeing all
  // of them would not be enough, so none is freed.
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
