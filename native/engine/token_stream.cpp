#include "engine/token_stream.h"

namespace streaming {

void TokenStream::add_prefill(int64_t done, int64_t total) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  if (done == 0) prefill_begins_ = StreamEvent{.type = StreamEvent::prefill, .done = 0, .total = total};
  else prefill_ = StreamEvent{.type = StreamEvent::prefill, .done = done, .total = total};
  wake_reader(lock);
}

void TokenStream::add_text(const std::string& text, size_t bytes, int tokens, std::vector<TokenProbability> told) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  for (auto& one : told) told_.push_back(std::move(one));
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
  rebase_ = StreamEvent{.type = StreamEvent::rebase, .done = tokens};
  wake_reader(lock);
}

void TokenStream::add_scores(const std::vector<float>& values) {
  std::unique_lock lock(mutex_);
  if (cancelled_) return;
  scores_.insert(scores_.end(), values.begin(), values.end());
  wake_reader(lock);
}

void TokenStream::end(StreamEvent event) {
  std::unique_lock lock(mutex_);
  if (closed_) return;
  // Cancelled while the engine was about to say this: what it says to the cancel is yet to come.
  if (cancelled_ && event.type == StreamEvent::finish && event.reason != "abort") return;
  last_ = std::move(event);
  closed_ = abandoned_;
  wake_reader(lock);
}

void TokenStream::close(StreamEvent event) {
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

std::optional<StreamEvent> TokenStream::take() {
  std::optional<StreamEvent> event;
  {
    std::lock_guard lock(mutex_);
    if (!something_to_take()) return event;
    if (prefill_begins_) event.swap(prefill_begins_);
    else if (prefill_) event.swap(prefill_);
    else if (rebase_) event.swap(rebase_);
    else if (evicted_ >= kEvictionsToldAtOnce || (evicted_ > 0 && last_ && text_.empty())) {
      event = StreamEvent{.type = StreamEvent::evict, .done = evicted_, .total = evicted_total_};
      evicted_ = 0;
    } else if (!text_.empty()) {
      event = StreamEvent{.type = StreamEvent::text};
      event->content.swap(text_);
      event->told.swap(told_);
      delivered_bytes_ += text_bytes_;
      text_bytes_ = 0;
      waiting_tokens_ = 0;
    } else if (!scores_.empty()) {
      event = StreamEvent{.type = StreamEvent::scores};
      event->values.swap(scores_);
    } else {
      event.swap(last_);
      closed_ = true;
    }
  }
  poke_();
  return event;
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
    told_.clear();
    text_bytes_ = 0;
    evicted_ = 0;
    // What had been said last no longer holds, unless everything before it was taken: the engine says anew, while it
    // can.
    if (!is_final_) last_.reset();
  }
  poke_();
}

void TokenStream::abandon() {
  cancel();
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    abandoned_ = true;
    closed_ = last_.has_value();
  }
  poke_();  // the cancel may have been attended to by now: that nobody takes the end is news as well
}

void TokenStream::wait(std::function<void()> wake) {
  std::unique_lock lock(mutex_);
  wake_ = std::move(wake);
  wake_reader(lock);
}

bool TokenStream::something_to_take() const {
  if (cancelled_) return last_.has_value();
  return prefill_begins_ || prefill_ || rebase_ || last_ || !text_.empty() || !scores_.empty() ||
         evicted_ >= kEvictionsToldAtOnce;
}

void TokenStream::wake_reader(std::unique_lock<std::mutex>& lock) {
  if (!wake_ || !something_to_take()) return;
  const auto wake = std::move(wake_);
  wake_ = nullptr;
  lock.unlock();
  wake();
}

}  // namespace streaming
