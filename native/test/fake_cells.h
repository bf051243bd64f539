#pragma once
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/cells.h"
#include "support/failure.h"

namespace streaming {

// A cache of cells that hold nothing but their tokens, or, for a recurrent memory, of states that hold all tokens they
// have seen. Decoding is remembering.
class FakeCells final : public Cells {
 public:
  struct Cell {
    Position position;
    Token token;
    std::set<int> ids;
  };

  FakeCells(int ids, int batch_size, bool recurrent) : batch_size_(batch_size), recurrent_(recurrent) {
    for (int id = ids - 1; id >= 0; id--) ids_->free.push_back(id);
    ids_->count = ids;
    ids_->release = [this](int id) { forget(id, 0, kEnd); };
  }
  ~FakeCells() { ids_->release = nullptr; }
  FakeCells(const FakeCells&) = delete;
  FakeCells& operator=(const FakeCells&) = delete;

  // Tokens under an id by their positions, or those that a state has seen.
  std::vector<std::pair<Position, Token>> tokens(int id) const {
    std::vector<std::pair<Position, Token>> found;
    for (const auto& cell : cells_)
      if (cell.ids.contains(id)) found.emplace_back(cell.position, cell.token);
    std::sort(found.begin(), found.end());
    return found;
  }
  int ids_in_use() const { return ids_->count - static_cast<int>(ids_->free.size()); }
  size_t used() const { return cells_.size(); }
  int decoded() const { return decoded_; }
  // A fault: the cell is gone, whatever the bookkeeping says.
  void lose(int id, Position position) { forget(id, position, position + 1); }
  // The next decode fails.
  void fail_next() { fails_ = true; }

  SequenceId take_id() override { return SequenceId(ids_); }
  bool remove(const SequenceId& id, Position from, Position to) override {
    const Position begin = from < 0 ? 0 : from, end = to < 0 ? kEnd : to;
    if (recurrent_ && begin > 0 && begin <= newest(id)) return false;
    forget(id.get(), begin, end);
    return true;
  }
  void copy(const SequenceId& from_id, const SequenceId& to_id, Position from, Position to) override {
    for (auto& cell : cells_)
      if (cell.ids.contains(from_id.get()) && cell.position >= from && (to < 0 || cell.position < to))
        cell.ids.insert(to_id.get());
  }
  void copy_state(const SequenceId&, const SequenceId&) override {}
  Position newest(const SequenceId& id) const override {
    const auto held = tokens(id.get());
    return held.empty() ? -1 : held.back().first;
  }
  Position oldest(const SequenceId& id) const override {
    const auto held = tokens(id.get());
    return held.empty() ? -1 : held.front().first;
  }
  size_t size_of(const SequenceId& id) const override { return 10 + 8 * tokens(id.get()).size(); }
  size_t windowed_size_of(const SequenceId&) const override { return 0; }
  std::vector<uint8_t> read(const SequenceId& id) const override {
    const auto held = tokens(id.get());
    std::vector<uint8_t> bytes(1 + held.size() * sizeof(held[0]));
    if (!held.empty()) std::memcpy(bytes.data() + 1, held.data(), bytes.size() - 1);
    return bytes;
  }
  size_t write(const SequenceId& id, const std::vector<uint8_t>& bytes) override {
    if (bytes.empty()) return 0;
    std::vector<std::pair<Position, Token>> held((bytes.size() - 1) / sizeof(std::pair<Position, Token>));
    if (!held.empty()) std::memcpy(static_cast<void*>(held.data()), bytes.data() + 1, bytes.size() - 1);
    for (const auto& [position, token] : held) cells_.push_back({position, token, {id.get()}});
    return bytes.size();
  }

  int batch_size() const override { return batch_size_; }
  void decode(Batch& batch) override {
    decoded_++;
    const auto all = batch.get();
    for (int i = 0; i < all.n_tokens; i++) {
      if (fails_ && i == all.n_tokens / 2) {
        fails_ = false;
        throw Failure("DECODE_FAILED", "as the test has asked");
      }
      cells_.push_back({all.pos[i], all.token[i], {all.seq_id[i][0]}});
    }
  }

 private:
  static constexpr Position kEnd = 1 << 30;
  void forget(int id, Position from, Position to) {
    for (auto& cell : cells_)
      if (cell.position >= from && cell.position < to) cell.ids.erase(id);
    std::erase_if(cells_, [](const Cell& cell) { return cell.ids.empty(); });
  }

  const int batch_size_;
  const bool recurrent_;
  std::shared_ptr<SequenceIds> ids_ = std::make_shared<SequenceIds>();
  std::vector<Cell> cells_;
  int decoded_ = 0;
  bool fails_ = false;
};

}  // namespace streaming
