#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace streaming {

// The first of these triggers that no text of the grammar begins with: from the trigger on the reply must be a text of
// the grammar, so the model could never write it. Nothing if each may begin one, as far as can be known: tokens may
// stand for any text, and a trigger that takes more than `max_steps` (grammar_budget.h) is left to the reply, as is a
// grammar that cannot be read. Any thread.
std::optional<size_t> impossible_trigger(const std::string& grammar, const std::vector<std::string>& triggers,
                                         int64_t max_steps = 250'000);

}  // namespace streaming
