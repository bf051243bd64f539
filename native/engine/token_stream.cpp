#include "engine/token_stream.h"

#include <utility>

namespace streaming {

void TokenStream::add_prefill(int64_t done, int64_t total) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  if (done == 0) prefill_begins_ = events::Prefill{0, total};
  else prefill_ = events::Prefill{done, total};
  wake_reader(lock);
}

void TokenStream::add_text(const std::string& text, size_t bytes, int tokens,
                           std::vector<TokenProbability> probabilities) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  for (auto& one : probabilities) probabilities_.push_back(std::move(one));
  text_ += text;
  text_bytes_ += bytes;
  waiting_tokens_ += tokens;
  wake_reader(lock);
}

void TokenStream::add_evicted(int64_t tokens, int64_t total) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  evicted_ += tokens;
  evicted_total_ = total;
  wake_reader(lock);
}

void TokenStream::add_rebase(int64_t tokens) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  rebase_ = events::Rebase{tokens};
  wake_reader(lock);
}

void TokenStream::add_scores(const std::vector<float>& values) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  scores_.insert(scores_.end(), values.begin(), values.end());
  wake_reader(lock);
}

void TokenStream::end(events::Last event) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  // Cancelled while the engine was about to end it: its answer to the cancel is yet to come.
  const auto* finish = std::get_if<events::Finish>(&event);
  if (cancelled_ && finish && finish->reason != "abort") return;
  last_ = std::move(event);
  closed_ = abandoned_;
  wake_reader(lock);
}

void TokenStream::close(events::Error event) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  is_final_ = true;
  if (!last_) last_ = std::move(event);
  closed_ = abandoned_;
  wake_reader(lock);
}

bool TokenStream::cancelled() const {
  std::lock_guard lock(mutex_);
  return cancelled_;
}

bool TokenStream::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

size_t TokenStream::delivered_bytes() const {
  std::lock_guard lock(mutex_);
  return delivered_bytes_;
}

int TokenStream::waiting_tokens() const {
  std::lock_guard lock(mutex_);
  return waiting_tokens_;
}

std::optional<events::Any> TokenStream::take() {
  std::optional<events::Any> event;
  {
    std::lock_guard lock(mutex_);
    if (!something_to_take()) return event;
    event = take_next();
  }
  notify_engine_();
  return event;
}

// The mutex is held, and there is something.
events::Any TokenStream::take_next() {
  if (prefill_begins_) return *std::exchange(prefill_begins_, std::nullopt);
  if (prefill_) return *std::exchange(prefill_, std::nullopt);
  if (rebase_) return *std::exchange(rebase_, std::nullopt);
  if (evicted_ >= kEvictionsOfAnEvent || (evicted_ > 0 && last_ && text_.empty()))
    return events::Evict{std::exchange(evicted_, 0), evicted_total_};
  if (!text_.empty()) {
    delivered_bytes_ += std::exchange(text_bytes_, 0);
    waiting_tokens_ = 0;
    return events::Text{std::exchange(text_, {}), std::exchange(probabilities_, {})};
  }
  if (!scores_.empty()) return events::Scores{std::exchange(scores_, {})};
  closed_ = true;
  return std::visit([](auto last) -> events::Any { return last; }, *std::exchange(last_, std::nullopt));
}

void TokenStream::cancel() {
  {
    std::lock_guard lock(mutex_);
    if (cancelled_ || closed_) return;
    cancelled_ = true;
    prefill_begins_.reset();
    prefill_.reset();
    rebase_.reset();
    text_.clear();
    scores_.clear();
    probabilities_.clear();
    text_bytes_ = 0;
    evicted_ = 0;
    // The last event no longer holds, unless everything before it was taken: the engine makes a new one, while it can.
    if (!is_final_) last_.reset();
  }
  notify_engine_();
}

void TokenStream::abandon() {
  cancel();
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    abandoned_ = true;
    closed_ = last_.has_value();
  }
  notify_engine_();  // the engine may have handled the cancel already, and must learn of the abandoned end too
}

void TokenStream::wait(std::function<void()> wake) {
  std::unique_lock lock(mutex_);
  wake_ = std::move(wake);
  wake_reader(lock);
}

bool TokenStream::something_to_take() const {
  if (cancelled_) return last_.has_value();
  return prefill_begins_ || prefill_ || rebase_ || last_ || !text_.empty() || !scores_.empty() ||
         evicted_ >= kEvictionsOfAnEvent;
}

void TokenStream::wake_reader(std::unique_lock<std::mutex>& lock) {
  if (!wake_ || !something_to_take()) return;
  const auto wake = std::move(wake_);
  wake_ = nullptr;
  lock.unlock();
  wake();
}

}  // namespace streaming
