#include "llama/sampler.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "llama/argmax.h"
#include "support/failure.h"

namespace streaming {
namespace {

// For logits and temperatures: any operation on two such values is still a number.
constexpr float kMaxMagnitude = 1e30f;

// A draw's own seed, from the generation's seed and the token's index (splitmix64, Steele et al. 2014).
uint32_t draw_seed(uint32_t seed, int64_t index) {
  uint64_t z = (static_cast<uint64_t>(seed) << 32) ^ static_cast<uint64_t>(index);
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  const auto mixed = static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
  return mixed == LLAMA_DEFAULT_SEED ? 0 : mixed;  // that one value would mean "any"
}

}  // namespace

Sampler::Sampler(std::shared_ptr<const Model> model, const SamplingOptions& options, int64_t first)
    : model_(std::move(model)), options_(options) {
  const auto& o = options_;
  const auto* vocab = model_->vocab();
  const int vocab_size = model_->vocab_size();
  chain_.reset(llama().llama_sampler_chain_init(llama().llama_sampler_chain_default_params()));
  const auto add = [&](llama_sampler* sampler) { llama().llama_sampler_chain_add(chain_.get(), sampler); };

  int32_t suppressed_count = 0;
  const llama_token* suppressed = llama().llama_vocab_get_suppress_tokens(vocab, &suppressed_count);
  std::vector<llama_logit_bias> bias = o.bias;
  for (int i = 0; i < suppressed_count; i++) {
    if (suppressed[i] >= 0 && suppressed[i] < vocab_size) bias.push_back({suppressed[i], -INFINITY});
  }
  for (const auto& one : bias) {
    special_.push_back(one.token);
    if (one.bias == -INFINITY) banned_.push_back(one.token);
  }
  std::sort(banned_.begin(), banned_.end());
  if (!bias.empty())
    add(llama().llama_sampler_init_logit_bias(vocab_size, static_cast<int32_t>(bias.size()), bias.data()));
  const bool penalties =
      o.penalty_tokens > 0 && (o.repeat_penalty != 1 || o.frequency_penalty != 0 || o.presence_penalty != 0);
  const bool dry = o.dry_multiplier > 0 && o.dry_tokens > 0 && model_->has_tokenizer();
  if (penalties) lookback_ = o.penalty_tokens;
  if (dry) lookback_ = std::max(lookback_, o.dry_tokens);
  if (penalties) {
    add(llama().llama_sampler_init_penalties(vocab_size, o.penalty_tokens, o.repeat_penalty, o.frequency_penalty,
                                             o.presence_penalty));
  }
  if (dry) {
    std::vector<const char*> breakers;
    for (const auto& breaker : o.dry_breakers) breakers.push_back(breaker.c_str());
    add(llama().llama_sampler_init_dry(vocab, o.dry_multiplier, o.dry_base, o.dry_allowed_length, o.dry_tokens,
                                       breakers.data(), breakers.size()));
  }
  top_count_ = o.temperature <= 0 ? 1 : o.mirostat > 0 || o.top_n_sigma > 0 ? 0 : o.top_k;
  candidates_.reserve(static_cast<size_t>(vocab_size));
  if (o.temperature <= 0) return;

  temperature_.reset(llama().llama_sampler_chain_init(llama().llama_sampler_chain_default_params()));
  const auto then = [&](llama_sampler* sampler) { llama().llama_sampler_chain_add(temperature_.get(), sampler); };
  truncation_.reset(llama().llama_sampler_chain_init(llama().llama_sampler_chain_default_params()));
  const auto cut = [&](llama_sampler* sampler) { llama().llama_sampler_chain_add(truncation_.get(), sampler); };
  // llama.cpp's own order.
  if (o.mirostat == 0) {
    if (o.top_n_sigma > 0) cut(llama().llama_sampler_init_top_n_sigma(o.top_n_sigma));
    if (o.top_k > 0) cut(llama().llama_sampler_init_top_k(o.top_k));
    if (o.typical_p < 1) cut(llama().llama_sampler_init_typical(o.typical_p, 1));
    if (o.top_p < 1) cut(llama().llama_sampler_init_top_p(o.top_p, 1));
    if (o.min_p > 0) cut(llama().llama_sampler_init_min_p(o.min_p, 1));
  }
  // Sums of them, and quotients of 0, must be numbers.
  const float temperature = std::clamp(o.temperature, FLT_MIN, kMaxMagnitude),
              range = std::min(o.temperature_range, kMaxMagnitude);
  then(llama().llama_sampler_init_temp_ext(temperature, range, o.temperature_exponent));
  const uint32_t seed = draw_seed(o.seed, first);
  if (o.mirostat == 1) mirostat_.emplace(o.mirostat_tau, o.mirostat_eta, vocab_size);
  else if (o.mirostat == 2) then(llama().llama_sampler_init_mirostat_v2(seed, o.mirostat_tau, o.mirostat_eta));
  else if (o.adaptive_target >= 0)
    then(llama().llama_sampler_init_adaptive_p(o.adaptive_target, o.adaptive_decay, seed));
  chooses_ = o.mirostat > 0 || o.adaptive_target >= 0;
}

void Sampler::replay(const std::vector<Token>& tokens) {
  if (lookback_ == 0) return;
  llama().llama_sampler_reset(chain_.get());
  history_.clear();
  for (const Token token : tokens) remember(token);
}

void Sampler::remember(Token token) {
  llama().llama_sampler_accept(chain_.get(), token);
  history_.push_back(token);
  if (static_cast<int>(history_.size()) > lookback_) history_.pop_front();
}

void Sampler::accept(Token token) {
  if (chooses_) llama().llama_sampler_accept(temperature_.get(), token);
  if (lookback_ > 0) remember(token);
}

void Sampler::gather_all(const float* logits, int count) {
  candidates_.resize(static_cast<size_t>(count));
  for (int i = 0; i < count; i++) candidates_[static_cast<size_t>(i)] = {i, logits[i], 0.0f};
}

// Fills candidates_ with the tokens that can come out of the chain's first choice (the top_k of them, or the best one):
// those with the largest logits, as many more as there are tokens whose logits the chain changes, and these. Any other
// token has more than wanted_ unchanged ones above it. False: where they end is a tie, so all must be looked at.
bool Sampler::gather(const float* logits, int count) {
  changed_.assign(special_.begin(), special_.end());
  changed_.insert(changed_.end(), history_.begin(), history_.end());
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  const size_t size = static_cast<size_t>(top_count_) + changed_.size();
  if (size + 1 >= static_cast<size_t>(count)) return false;
  // A heap with the smallest on top, and one more than are needed, to see a tie.
  const auto larger = [](const llama_token_data& a, const llama_token_data& b) { return a.logit > b.logit; };
  candidates_.clear();
  for (int i = 0; i <= static_cast<int>(size); i++) candidates_.push_back({i, logits[i], 0.0f});
  std::make_heap(candidates_.begin(), candidates_.end(), larger);
  for (int i = static_cast<int>(size) + 1; i < count; i++) {
    if (logits[i] <= candidates_.front().logit) continue;
    std::pop_heap(candidates_.begin(), candidates_.end(), larger);
    candidates_.back() = {i, logits[i], 0.0f};
    std::push_heap(candidates_.begin(), candidates_.end(), larger);
  }
  std::sort(candidates_.begin(), candidates_.end(), larger);
  if (candidates_[size - 1].logit == candidates_[size].logit) return false;
  candidates_.pop_back();
  const float min = candidates_.back().logit;
  for (const Token token : changed_) {
    if (token < count && logits[token] < min) candidates_.push_back({token, logits[token], 0.0f});
  }
  return true;
}

Token Sampler::sample(const float* logits, int64_t index, Constraint* constraint) {
  const int count = model_->vocab_size();
  const int best = argmax(logits, count);
  if (best < 0) {
    throw Failure(
        "DECODE_FAILED",
        "the model computed logits that are not numbers; its file may be damaged, or its key-value cache type unfit");
  }
  // The token that the model would choose is usually allowed, so the other tokens are looked at only if it is not. The
  // distribution stays the same, since the second draw is independent of the first. A sampler that learns from its
  // choices may make each choice only once.
  if (!constraint || !chooses_ || !constraint->active()) {
    Token token = best;
    if (temperature_ || lookback_ > 0 || !special_.empty()) {
      if (top_count_ == 0 || !gather(logits, count)) gather_all(logits, count);
      token = choose(index, 0);
    }
    if (!constraint || constraint->allows(token)) return token;
  }
  gather_all(logits, count);
  if (!constraint->mask(candidates_)) {
    throw Failure("DECODE_FAILED",
                  "the grammar allows no token of this vocabulary here: it may ask for characters that the model has "
                  "no tokens for");
  }
  // A token that is ruled out must not come back by a bias, nor count in a value computed from all logits.
  std::erase_if(candidates_, [](const auto& candidate) { return !std::isfinite(candidate.logit); });
  return choose(index, 1);
}

// Biases, penalties and a temperature near 0 may overflow a float, and the samplers compare and sum the results. Only
// differences of logits count: with the largest at 0, a division gives nothing above 0.
void Sampler::keep_in_range(llama_token_data_array& array) const {
  const auto& o = options_;
  constexpr float kLarge = 1e15f, kSmall = 1e-20f;
  float max = -INFINITY, extent = 0;
  for (size_t i = 0; i < array.size; i++) {
    float& logit = array.data[i].logit;
    if (!(std::abs(logit) <= kMaxMagnitude)) {
      if (std::binary_search(banned_.begin(), banned_.end(), array.data[i].id)) logit = -INFINITY;
      else logit = logit > 0 ? kMaxMagnitude : -kMaxMagnitude;
    }
    max = std::max(max, logit);
    if (logit != -INFINITY) extent = std::max(extent, std::abs(logit));
  }
  if (max == -INFINITY)
    throw Failure("DECODE_FAILED", "logitBias rules out every token that could come here; leave one");
  if (extent <= kLarge && o.temperature >= kSmall && o.temperature_range <= 0) return;
  for (size_t i = 0; i < array.size; i++) array.data[i].logit -= max;
}

// By the chains, of the candidates.
Token Sampler::choose(int64_t index, uint32_t salt) {
  const auto& o = options_;
  llama_token_data_array array{candidates_.data(), candidates_.size(), -1, false};
  llama().llama_sampler_apply(chain_.get(), &array);
  keep_in_range(array);
  const Token likeliest = std::max_element(array.data, array.data + array.size, [](const auto& a, const auto& b) {
                            return a.logit < b.logit;
                          })->id;
  if (!temperature_) return likeliest;
  llama().llama_sampler_apply(truncation_.get(), &array);
  if (array.size == 0) return likeliest;
  const uint32_t seed = draw_seed(o.seed ^ (salt << 31), index);
  if (o.xtc_probability > 0 && o.mirostat == 0) {
    const std::unique_ptr<llama_sampler, Free> xtc(
        llama().llama_sampler_init_xtc(o.xtc_probability, o.xtc_threshold, 1, draw_seed(seed, index)));
    llama().llama_sampler_apply(xtc.get(), &array);
  }
  llama().llama_sampler_apply(temperature_.get(), &array);
  if (mirostat_) mirostat_->truncate(array);
  if (!chooses_ || mirostat_) {
    const std::unique_ptr<llama_sampler, Free> draw(llama().llama_sampler_init_dist(seed));
    llama().llama_sampler_apply(draw.get(), &array);
  }
  if (array.selected < 0 || static_cast<size_t>(array.selected) >= array.size) return likeliest;
  if (mirostat_) mirostat_->learn(array, static_cast<size_t>(array.selected));
  return array.data[array.selected].id;
}

}  // namespace streaming
