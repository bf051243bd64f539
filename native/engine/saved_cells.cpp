#include "engine/saved_cells.h"

#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace streaming {
namespace {

// Type and size of one cell's part in each layer of a recurrent state.
using States = std::vector<std::pair<int32_t, uint64_t>>;

// Larger values could overflow once they are multiplied.
constexpr float kMaxMagnitude = 1e30f;

bool all_finite_halves(const uint8_t* bytes, size_t size, size_t each) {
  for (size_t at = 0; at + 2 <= size; at += each) {
    uint16_t half;
    std::memcpy(&half, bytes + at, sizeof half);
    if ((half & 0x7c00) == 0x7c00) return false;
  }
  return true;
}

// The types that a cache can have: lib/options/parse.ts, kvType.
bool all_finite(int32_t type, const uint8_t* bytes, size_t size) {
  switch (type) {
    case GGML_TYPE_F32:
      if (size % 4 != 0) return false;
      for (size_t at = 0; at < size; at += 4) {
        float value;
        std::memcpy(&value, bytes + at, sizeof value);
        if (!(std::fabs(value) <= kMaxMagnitude)) return false;
      }
      return true;
    case GGML_TYPE_F16: return size % 2 == 0 && all_finite_halves(bytes, size, 2);
    // Blocks of 32 values: a half that they are multiplied by, and bytes or half bytes.
    case GGML_TYPE_Q8_0: return size % 34 == 0 && all_finite_halves(bytes, size, 34);
    case GGML_TYPE_Q4_0: return size % 18 == 0 && all_finite_halves(bytes, size, 18);
    default: return false;
  }
}

// One layer's part of `count` cells. `states` gets its type and size.
bool take_rows(ByteReader& from, size_t count, States* states = nullptr) {
  const auto type = from.take<int32_t>();
  const auto size = from.take<uint64_t>();
  if (states) states->emplace_back(type, size);
  if (count > 0 && size > from.left() / count) return false;
  return all_finite(type, from.skip(size * count), size * count);
}

// A layer's values, which are transposed without flash attention: a row for each component, with that of all cells.
bool take_columns(ByteReader& from, size_t count) {
  const auto type = from.take<int32_t>();
  const auto size = from.take<uint32_t>();
  const auto width = from.take<uint32_t>();
  if (size == 0 || width == 0 || size > from.left() / count / width) return false;
  const size_t bytes = static_cast<size_t>(size) * width * count;
  return all_finite(type, from.skip(bytes), bytes);
}

// `all`: a cell for each of the positions; else for some.
bool take_attention(ByteReader& from, const CellsLayout& layout, const std::vector<Position>& positions, bool all) {
  if (from.take<uint32_t>() != 1) return false;  // streams, of which a shared cache has one
  const size_t count = from.take<uint32_t>();
  if (count > positions.size() || (all && count < positions.size())) return false;
  if (count == 0) return true;
  std::vector<bool> there(positions.size());
  for (size_t i = 0; i < count; i++) {
    const auto position = from.take<int32_t>();
    if (from.take<uint32_t>() != 1) return false;  // sequences of the cell ...
    if (layout.spatial) from.skip(3 * sizeof(int32_t));
    from.skip(sizeof(int32_t));  // ... and which one, which llama.cpp does not look at
    const auto at = std::lower_bound(positions.begin(), positions.end(), position);
    if (at == positions.end() || *at != position) return false;
    const auto index = static_cast<size_t>(at - positions.begin());
    if (there[index]) return false;
    there[index] = true;
  }
  const bool across = from.take<uint32_t>() != 0;
  const auto layers = from.take<uint32_t>();
  for (uint32_t i = 0; i < layers; i++) {
    if (!take_rows(from, count)) return false;
  }
  for (uint32_t i = 0; layout.values && i < layers; i++) {
    if (!(across ? take_columns(from, count) : take_rows(from, count))) return false;
  }
  return true;
}

bool take_states(ByteReader& from, States& states) {
  const size_t count = from.take<uint32_t>();
  if (count > 1) return false;  // a sequence has one
  for (size_t i = 0; i < count; i++) {
    const auto position = from.take<int32_t>();
    if (position < 0 || position > CachePolicy::kLastPosition || from.take<uint32_t>() != 0) return false;
  }
  if (from.take<uint32_t>() != 0) return false;  // across
  from.take<uint32_t>();                         // layers, attention's included
  // Those of the layers that have one, to the end: convolutions first, then what they lead into.
  while (from.left() > 0) {
    if (!take_rows(from, count, &states)) return false;
  }
  return true;
}

bool take_all(const std::vector<uint8_t>& bytes, const CellsLayout& layout, const std::vector<Position>& positions,
              States& states) {
  try {
    ByteReader from(bytes.data(), bytes.size());
    from.skip(2 * sizeof(uint32_t));  // llama.cpp's mark and an id, neither of which becomes anything
    if (layout.attention && !take_attention(from, layout, positions, true)) return false;
    if (layout.windowed && !take_attention(from, layout, positions, false)) return false;
    if (layout.recurrent && !take_states(from, states)) return false;
    return from.left() == 0;
  } catch (const Failure&) {
    return false;  // it ends before it should
  }
}

}  // namespace

bool may_be_read(const std::vector<uint8_t>& bytes, const std::vector<uint8_t>& empty, const CellsLayout& layout,
                 const std::vector<Position>& positions) {
  States known, states;
  return take_all(empty, layout, {}, known) && take_all(bytes, layout, positions, states) && known == states;
}

}  // namespace streaming
