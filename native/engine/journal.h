#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "policy/cache_policy.h"

namespace streaming {

// The state before the decode that a token is sampled from. Rolling the token back returns to it.
struct Origin {
  CachePolicy::Mark mark;
  Token token;  // which was decoded then
  int64_t evicted;
};

// A generated token that the reader may not have taken yet.
struct Record {
  Origin origin;
  Token token;
  size_t end;   // bytes of text up to and with this token
  bool silent;  // it has no text: it is delivered with what follows
  bool delivered(size_t bytes) const { return silent ? end < bytes : end <= bytes; }
};

// The last generated tokens of one reply, those not yet known to be delivered. Plain bookkeeping, on the engine's
// thread.
class Journal {
 public:
  bool empty() const { return records_.empty(); }
  size_t size() const { return records_.size(); }
  const Record& front() const { return records_.front(); }
  auto begin() { return records_.begin(); }
  auto end() { return records_.end(); }

  void add(const Record& record) { records_.push_back(record); }
  void drop_delivered(size_t bytes) {
    while (!records_.empty() && records_.front().delivered(bytes)) records_.pop_front();
  }
  // The first record that does not lie wholly within so many bytes; null: all do. At the end of a reply its last tokens
  // stay even if they have no text; a reader that has left (`left`) has not seen them.
  const Record* first_behind(size_t bytes, bool left) const {
    const auto first = std::find_if(records_.begin(), records_.end(), [&](const Record& record) {
      return left ? !record.delivered(bytes) : record.end > bytes;
    });
    return first == records_.end() ? nullptr : &*first;
  }
  // Removes the record and all behind it. Returns their number.
  int64_t remove_from(const Record* first) {
    const auto at = std::find_if(records_.begin(), records_.end(), [&](const Record& one) { return &one == first; });
    const auto count = records_.end() - at;
    records_.erase(at, records_.end());
    return count;
  }
  void clear() { *this = Journal(); }

  // Its tokens are the last pending ones and wait to be decoded again. Once decoded they cannot be rolled back singly.
  void wait() { waits_ = true; }
  bool waits() const { return waits_; }
  void decoded_again() {
    if (std::exchange(waits_, false)) records_.clear();
  }

  // The first part of a token that was cut by a stop string is kept as other tokens, which are in no record: so many,
  // whose text ends at `end`.
  void cut(int64_t tokens, size_t end) { cut_tokens_ = tokens, cut_end_ = end; }
  // They are removed with a record, or if their text was not delivered. Returns their number.
  int64_t take_cut(bool with_record, size_t delivered) {
    return cut_tokens_ > 0 && (with_record || delivered < cut_end_) ? std::exchange(cut_tokens_, 0) : 0;
  }

 private:
  std::deque<Record> records_;
  bool waits_ = false;
  int64_t cut_tokens_ = 0;
  size_t cut_end_ = 0;
};

}  // namespace streaming
