#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/tokens.h"

namespace streaming {

// The last kCapacity tokens of one conversation, evicted ones included, and where in them the present end occurred
// before. Fixed size (1.25 MB), no allocation after it is made; plain arithmetic, on the engine's thread.
//
// Two hash tables, by the last kLong and by the last kShort tokens, lead to the latest position after such tokens, and
// a link from there to the one before, and so on. Hashes only propose: what counts are the tokens.
class NgramIndex {
 public:
  static constexpr int kCapacity = 1 << 16;
  static constexpr int kLong = 4, kShort = 2;
  // Matches are looked at up to this length ...
  static constexpr int kMaxMatch = 32;
  // ... and only the latest so many of them.
  static constexpr int kCandidates = 32;

  struct Match {
    int length = 0;    // tokens before the end that also come before `next`; 0: no match
    int64_t next = 0;  // the token there is the proposal for the coming one
  };

  NgramIndex();
  void append(Token token);
  // Removes the last tokens, as if they had never been appended. (If more are removed than are held, the rest is lost.)
  void remove(int64_t count);
  // The longest match among the latest kCandidates occurrences of the last kLong tokens, the latest of equals; where
  // these never occurred before, of the last kShort tokens.
  Match find() const;
  // Copies the `count` tokens that followed there; where that reaches the end, it goes on as if the proposal had come
  // true.
  void copy(const Match& match, int count, Token* tokens) const;
  // The last `count` tokens, as far as they are held.
  std::vector<Token> last(int64_t count) const;

 private:
  static constexpr int kProbes = 8 * kCandidates;  // tokens of the same hash that are other tokens are passed over
  struct Table {
    int length;
    std::vector<uint32_t> heads, links;
  };

  Token at(int64_t position) const { return tokens_[static_cast<size_t>(position & (kCapacity - 1))]; }
  // Of the `length` tokens before `end`.
  size_t bucket(int64_t end, int length) const;
  Match find(const Table& table) const;

  std::vector<Token> tokens_;
  Table tables_[2];
  // Tokens at [first_, end_) are held, counted from the first one ever.
  int64_t first_ = 0, end_ = 0;
};

}  // namespace streaming
