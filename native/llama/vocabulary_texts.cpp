#include "llama/vocabulary_texts.h"

#include <algorithm>
#include <numeric>

namespace streaming {

VocabularyTexts::VocabularyTexts(const std::vector<std::string>& texts, const std::vector<std::string>& plain) {
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return texts[a] < texts[b]; });
  std::string_view before;
  for (const size_t token : order) {
    const auto& text = texts[token];
    if (text.empty()) continue;
    const auto shared = std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first - before.begin();
    entries_.push_back({static_cast<Token>(token), static_cast<uint32_t>(bytes_.size()),
                        static_cast<uint32_t>(text.size()), static_cast<uint32_t>(shared), plain[token].empty()});
    bytes_ += text;
    before = text;
  }
}

}  // namespace streaming
