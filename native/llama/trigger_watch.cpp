#include "llama/trigger_watch.h"

#include <algorithm>
#include <utility>

namespace streaming {
namespace {

// Keeps the end of the text, in which something of so many bytes may have begun.
void keep_beginning(std::string& text, size_t bytes) {
  const size_t kept = std::max<size_t>(bytes, 1) - 1;
  if (text.size() > kept) text.erase(0, text.size() - kept);
}

}  // namespace

TriggerWatch::TriggerWatch(std::vector<std::string> triggers, ReasoningMarks reasoning)
    : triggers_(std::move(triggers)), reasoning_(std::move(reasoning)) {
  for (const auto& trigger : triggers_) max_bytes_ = std::max(max_bytes_, trigger.size());
}

size_t TriggerWatch::read(Reply& reply, const std::string& text) const {
  reply.latest += text;
  while (reply.at != Reply::At::text) {
    if (!(reply.at == Reply::At::start ? leave_start(reply) : leave_reasoning(reply))) return kNone;
  }
  const size_t begin = first_trigger(reply.latest);
  if (begin == kNone) keep_beginning(reply.latest, max_bytes_);
  return begin;
}

void TriggerWatch::pass(Reply& reply, const std::string& before) const {
  read(reply, before);
  if (reply.at == Reply::At::text) reply.latest.clear();
}

// False while it takes more text to tell where the reply is.
bool TriggerWatch::leave_start(Reply& reply) const {
  auto& text = reply.latest;
  const auto& open = reasoning_.open;
  if (open.empty()) {
    reply.at = Reply::At::text;
    return true;
  }
  const size_t first = text.find_first_not_of(" \t\n\v\f\r");
  if (first == std::string::npos) {
    keep_beginning(text, max_bytes_);
    return false;
  }
  if (text.compare(first, open.size(), open) == 0) {
    text.erase(0, first + open.size());
    reply.at = Reply::At::reasoning;
    return true;
  }
  if (open.compare(0, text.size() - first, text, first) == 0) return false;
  reply.at = Reply::At::text;
  return true;
}

bool TriggerWatch::leave_reasoning(Reply& reply) const {
  auto& text = reply.latest;
  const size_t end = text.find(reasoning_.close);
  if (end == std::string::npos) {
    keep_beginning(text, reasoning_.close.size());
    return false;
  }
  text.erase(0, end + reasoning_.close.size());
  reply.at = Reply::At::start;
  return true;
}

size_t TriggerWatch::first_trigger(const std::string& text) const {
  size_t first = std::string::npos;
  for (const auto& trigger : triggers_) first = std::min(first, text.find(trigger));
  return first == std::string::npos ? kNone : first;
}

}  // namespace streaming
