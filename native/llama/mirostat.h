#pragma once
#include <algorithm>
#include <cmath>

#include "llama/llama_library.h"

namespace streaming {

// Mirostat 1 (Basu et al. 2021): keeps as many of the likeliest tokens as give a surprise of tau, learned from the
// choices before. It replaces llama.cpp's version, whose count of tokens overflows where the text has surprised less
// than tau for long: from then on it keeps a single token, and learns from that to go on so.
class Mirostat {
 public:
  Mirostat(double tau, double eta, int vocabulary)
      : tau_(tau),
        eta_(eta),
        vocabulary_(std::max(2, vocabulary)),
        max_mu_(std::max(2 * tau, kMaxSteepness * std::log2(vocabulary_))),
        mu_(2 * tau) {}

  // Sorts the tokens, the likeliest first, and drops the others.
  void truncate(llama_token_data_array& array) const {
    std::sort(array.data, array.data + array.size, [](const auto& a, const auto& b) { return a.logit > b.logit; });
    array.sorted = true;
    while (array.size > 1 && array.data[array.size - 1].logit == -INFINITY) array.size--;
    // How steeply probabilities fall with the rank, from the first of them (Zipf's law).
    double products = 0, squares = 0;
    for (size_t i = 0; i + 1 < std::min(kMaxRanks, array.size); i++) {
      const double step = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
      products += step * (static_cast<double>(array.data[i].logit) - static_cast<double>(array.data[i + 1].logit));
      squares += step * step;
    }
    if (products <= 0) return;  // all are alike
    const double steepness = products / squares;
    const double beyond = steepness - 1;
    const double factor =
        std::abs(beyond) < 1e-9 ? 1 / std::log(vocabulary_) : beyond / (1 - std::pow(vocabulary_, -beyond));
    // The count's logarithm: the count itself may be more than any number.
    const double count = (std::log2(factor) + mu_) / steepness;
    if (count < std::log2(static_cast<double>(array.size)))
      array.size = std::max<size_t>(1, static_cast<size_t>(std::exp2(count)));
  }

  // What was chosen of those that truncate() left.
  void learn(const llama_token_data_array& array, size_t chosen) {
    double sum = 0;
    for (size_t i = 0; i < array.size; i++)
      sum += std::exp(static_cast<double>(array.data[i].logit) - static_cast<double>(array.data[0].logit));
    const double surprise =
        std::log2(sum) -
        (static_cast<double>(array.data[chosen].logit) - static_cast<double>(array.data[0].logit)) / std::log(2.0);
    mu_ = std::min(mu_ - eta_ * (surprise - tau_), max_mu_);
  }

 private:
  static constexpr size_t kMaxRanks = 100;
  static constexpr double kMaxSteepness = 8;  // where probabilities fall no more steeply, such a mu keeps all tokens
  double tau_, eta_;
  double vocabulary_;
  double max_mu_, mu_;
};

}  // namespace streaming
