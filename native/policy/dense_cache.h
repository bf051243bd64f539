#pragma once
#include "policy/cache_policy.h"

namespace streaming {

// Keeps everything until it is full: ordinary attention.
class DenseCache final : public CachePolicy {
 public:
  using CachePolicy::CachePolicy;

  int room() const override { return limits_.window - size(); }
  Step plan(int count, bool) const override { return {next(), count, 0, 0, false, 0}; }
  void commit(const Step& step, const Token* tokens) override {
    tokens_.insert(tokens_.end(), tokens, tokens + step.count);
  }
  Mark mark() const override { return {first_, first_, next()}; }
  bool rollback(const Mark& mark) override {
    tokens_.resize(static_cast<size_t>(mark.next - first_));
    return true;
  }
  void release(const Mark&) override {}
  bool cut(Position from) override { return rollback({first_, first_, from}); }
  void save(ByteWriter& to) const override { to.put(first_), to.put_list(tokens_); }
  void load(ByteReader& from) override {
    first_ = take_position(from);
    from.take_list(tokens_);
  }
  std::unique_ptr<CachePolicy> clone() const override { return std::unique_ptr<CachePolicy>(new DenseCache(*this)); }
  Restart restart(size_t) override {
    Restart restart{std::move(tokens_), 0, 0, 0};
    tokens_.clear();
    first_ = 0;
    return restart;
  }
  Position lowest() const override { return first_; }
  Position next() const override { return first_ + size(); }
  int size() const override { return static_cast<int>(tokens_.size()); }
  std::vector<Token> kept() const override { return tokens_; }
  std::vector<Token> between(Position from, Position to) const override {
    return {tokens_.begin() + (from - first_), tokens_.begin() + (to - first_)};
  }
  const char* broken_invariant() const override {
    return size() > limits_.window ? "the cache holds no more than its window" : nullptr;
  }

 private:
  Position first_ = limits_.first;
  std::vector<Token> tokens_;
};

}  // namespace streaming
