#include "speculation/ngram_index.h"

#include <algorithm>

namespace streaming {

// Positions are kept as 32 bits: which of the positions that end in them is meant follows from where the end is.
NgramIndex::NgramIndex() : tokens_(kCapacity), tables_{{kLong, {}, {}}, {kShort, {}, {}}} {
  for (auto& table : tables_) {
    table.heads.assign(kCapacity, 0);
    table.links.assign(kCapacity, 0);
  }
}

size_t NgramIndex::bucket(int64_t end, int length) const {
  uint64_t hash = 0;
  for (int i = 1; i <= length; i++) hash = (hash ^ static_cast<uint32_t>(at(end - i))) * 0x9E3779B97F4A7C15ull;
  return static_cast<size_t>(hash >> 48);
}

void NgramIndex::append(Token token) {
  tokens_[static_cast<size_t>(end_ & (kCapacity - 1))] = token;
  end_++;
  first_ = std::max(first_, end_ - kCapacity);
  for (auto& table : tables_) {
    if (end_ - table.length < first_) continue;
    auto& head = table.heads[bucket(end_, table.length)];
    table.links[static_cast<size_t>(end_ & (kCapacity - 1))] = head;
    head = static_cast<uint32_t>(end_);
  }
}

void NgramIndex::remove(int64_t count) {
  for (; count > 0 && end_ > first_; count--) {
    // Last in, first out: the head is this position, and what it was before is in the link.
    for (auto& table : tables_) {
      if (end_ - table.length < first_) continue;
      auto& head = table.heads[bucket(end_, table.length)];
      if (head == static_cast<uint32_t>(end_)) head = table.links[static_cast<size_t>(end_ & (kCapacity - 1))];
    }
    end_--;
  }
}

NgramIndex::Match NgramIndex::find() const {
  for (const auto& table : tables_) {
    if (const auto match = find(table); match.length > 0) return match;
  }
  return {};
}

NgramIndex::Match NgramIndex::find(const Table& table) const {
  Match best;
  if (end_ - table.length < first_) return best;
  int64_t position = end_;
  for (int probes = 0, candidates = 0; probes < kProbes && candidates < kCandidates && best.length < kMaxMatch;
       probes++) {
    const uint32_t link = table.links[static_cast<size_t>(position & (kCapacity - 1))];
    const int64_t before = end_ - static_cast<uint32_t>(static_cast<uint32_t>(end_) - link);
    // Farther and farther back; a link that was left behind by tokens that are gone ends the search.
    if (before >= position || before - table.length < first_) break;
    position = before;
    int length = 0;
    while (length < kMaxMatch && position - 1 - length >= first_ && at(position - 1 - length) == at(end_ - 1 - length))
      length++;
    if (length < table.length) continue;
    candidates++;
    if (length > best.length) best = {length, position};
  }
  return best;
}

void NgramIndex::copy(const Match& match, int count, Token* tokens) const {
  for (int i = 0; i < count; i++)
    tokens[i] = match.next + i < end_ ? at(match.next + i) : tokens[match.next + i - end_];
}

std::vector<Token> NgramIndex::last(int64_t count) const {
  std::vector<Token> tokens;
  for (int64_t position = std::max(first_, end_ - count); position < end_; position++) tokens.push_back(at(position));
  return tokens;
}

}  // namespace streaming
