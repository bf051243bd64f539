#pragma once
#include <cstdint>
#include <vector>

#include "policy/cache_policy.h"

namespace streaming {

// What llama.cpp's memory of a model is made of, as far as a saved state shows it.
struct CellsLayout {
  bool attention;  // keys and values for each token ...
  bool windowed;   // ... of which some layers keep those within their window alone
  bool recurrent;  // a state
  bool values;     // attention keeps values beside the keys; MLA does not
  bool spatial;    // each cell has a place in the plane and a token beside its position
};

// Whether llama.cpp can safely read the bytes as one sequence, wherever they come from. llama.cpp compares types and
// sizes with its own and refuses others. But it reserves memory for any count, asserts on states of several cells,
// accepts any position, and puts any number into the cells, where one that is not finite would reach every sequence
// that shares the cache. `empty` is what llama.cpp itself writes of an empty sequence in the same context, whose parts
// must be those of the layout; `positions` are those that the attention cells have, in order. Any thread; knows the
// format of v0.4.0.
bool may_be_read(const std::vector<uint8_t>& bytes, const std::vector<uint8_t>& empty, const CellsLayout& layout,
                 const std::vector<Position>& positions);

}  // namespace streaming
