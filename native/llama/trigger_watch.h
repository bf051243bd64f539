#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace streaming {

// The marks around a model's reasoning; none where it has no marks, or where its calls count within it as well.
struct ReasoningMarks {
  std::string open, close;
};

// Finds the first trigger of a grammar in a reply while that is generated. Triggers in the reasoning do not count: what
// the model writes there is not read as what the grammar is for, and behind a trigger nothing but that could follow.
// Reasoning begins where the reply's reader has it begin: at the start, or behind other reasoning.
class TriggerWatch {
 public:
  // How far a reply has come. Cheap to copy: each candidate for the next token is tried on a copy.
  struct Reply {
    enum class At { start, reasoning, text };
    At at = At::start;
    std::string latest;  // the end of its text that a mark or a trigger may have begun in
  };
  static constexpr size_t kNone = static_cast<size_t>(-1);

  TriggerWatch(std::vector<std::string> triggers, ReasoningMarks reasoning);

  bool empty() const { return triggers_.empty(); }
  void clear() { triggers_.clear(); }
  // The reply goes on. Where in its latest text the first trigger begins; kNone: there is none yet.
  size_t read(Reply& reply, const std::string& text) const;
  // It begins with what was there before: its triggers do not count, its reasoning does.
  void pass(Reply& reply, const std::string& before) const;

 private:
  bool leave_start(Reply& reply) const;
  bool leave_reasoning(Reply& reply) const;
  size_t first_trigger(const std::string& text) const;

  std::vector<std::string> triggers_;
  const ReasoningMarks reasoning_;
  size_t max_bytes_ = 0;  // of a trigger
};

}  // namespace streaming
