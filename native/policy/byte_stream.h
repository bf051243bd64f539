#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "support/failure.h"

namespace streaming {

// Plain values as bytes, in this machine's order.
class ByteWriter {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
  }
  template <class List>
  void put_list(const List& list) {
    put(static_cast<uint64_t>(list.size()));
    for (const auto& value : list) put(value);
  }
  std::vector<uint8_t> bytes;
};

// Throws Failure INVALID_OPTION where there is less than is asked for.
class ByteReader {
 public:
  ByteReader(const uint8_t* bytes, size_t size) : at_(bytes), end_(bytes + size) {}
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, skip(sizeof(T)), sizeof(T));
    return value;
  }
  template <class List>
  void take_list(List& list) {
    using Value = typename List::value_type;
    const auto count = take<uint64_t>();
    if (count > left() / sizeof(Value)) throw Failure("INVALID_OPTION", "a saved state is shorter than it says");
    list.clear();
    for (uint64_t i = 0; i < count; i++) list.push_back(take<Value>());
  }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  const uint8_t* skip(size_t size) {
    if (size > left()) throw Failure("INVALID_OPTION", "a saved state is shorter than it says");
    const auto* here = at_;
    at_ += size;
    return here;
  }

 private:
  const uint8_t *at_, *end_;
};

}  // namespace streaming
