#include "engine/cached_tokens.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "support/failure.h"

namespace streaming {
namespace {

Failure has_left(int64_t keep) {
  return Failure("EVICTED", "the first " + std::to_string(keep) +
                                " tokens cannot be kept: their end has been evicted; decode them again");
}

}  // namespace

CachedTokens::CachedTokens(Cells& cells, const MemoryKind& memory, const CachePolicy::Limits& limits,
                           Position rebase_after, bool verifies)
    : policy_(make_cache_policy(limits)), cells_(cells, memory), rebase_after_(rebase_after), verifies_(verifies) {}

std::vector<Token> CachedTokens::last(int count) const {
  std::vector<Token> tokens = policy_->kept();
  tokens.insert(tokens.end(), pending_.begin(), pending_.end());
  if (tokens.size() > static_cast<size_t>(count)) tokens.erase(tokens.begin(), tokens.end() - count);
  return tokens;
}

bool CachedTokens::has_checkpoints() const {
  return cells_.memory().recurrent && (streams() || limits().kind == CachePolicy::dense);
}

void CachedTokens::check() const {
  if (!verifies_) return;
  const char* broken = policy_->broken_invariant();
  if (!broken && !counts_all(seen_, evicted_, *policy_, pending_.size()))
    broken = "each token is in the cache, waits, or has left";
  if (!broken && has_slot() && policy_->size() > 0 && !pending_.rebasing()) broken = cells_.broken_invariant(*policy_);
  if (broken) throw Failure("DECODE_FAILED", std::string("a cache invariant does not hold: ") + broken);
}

// ---- more tokens

void CachedTokens::add(Token token) {
  pending_.add(token);
  seen_++;
  if (index_) index_->append(token);
}

void CachedTokens::add(const std::vector<Token>& tokens) {
  for (const Token token : tokens) add(token);
}

void CachedTokens::begin_turns(const std::vector<int>& turns) {
  const auto next = policy_->next() + static_cast<Position>(pending_.size());
  for (const int turn : turns) policy_->begin_turn(next + turn);
}

// Forgets the last tokens. The caller removes them from `pending_` and the policy.
void CachedTokens::forget(int64_t count) {
  seen_ -= count;
  if (index_) index_->remove(count);
}

// ---- a batch

std::vector<Token> CachedTokens::claim(int count) {
  journal_.decoded_again();
  in_batch_ = true;
  return std::vector<Token>(pending_.begin(), pending_.begin() + count);
}

void CachedTokens::checkpoint_if_due() {
  const auto* oldest = oldest_origin();
  if (checkpoints_.due(policy_->next(), oldest ? std::optional(oldest->next) : std::nullopt))
    checkpoints_.add(cells_.cache(), cells_.current(), policy_->mark(), evicted_);
}

Origin CachedTokens::origin_within(Token last) const {
  auto mark = policy_->mark();
  mark.next--;
  return {mark, last, evicted_};
}

bool CachedTokens::commit(const CachePolicy::Step& step, const Token* tokens, SequenceId sinks, bool may_roll_back) {
  cells_.evict(step, may_roll_back);
  evicted_ += step.evict_to - step.evict_from;
  if (step.reanchor) {
    const Position base = policy_->mark().base;
    cells_.move_to(std::move(sinks), base, base + limits().sinks);
  }
  policy_->commit(step, tokens);
  if (!pending_.decoded(step.count)) return false;
  cells_.restore_state();
  return true;
}

void CachedTokens::remove_uncommitted() {
  if (!cells_.truncate(*policy_)) requeue_kept_tokens(Requeue::lost_cells);
}

void CachedTokens::release() {
  if (journal_.empty() && checkpoints_.empty()) policy_->release(policy_->mark());
}

// ---- rolling back

void CachedTokens::record(const Origin& origin, Token token, size_t end, bool silent) {
  journal_.add({origin, token, end, silent});
  add(token);
}

void CachedTokens::release_delivered(size_t delivered) {
  // Cells held for tokens that have been rolled back since are released as well.
  if (journal_.empty() && checkpoints_.empty() && !cells_.holds_evicted()) return;
  journal_.drop_delivered(delivered);
  release_held();
  const auto* oldest = oldest_origin();
  policy_->release(!checkpoints_.empty() ? checkpoints_.oldest().mark : oldest ? *oldest : policy_->mark());
}

// Frees the cells that were evicted more than kHeldCells tokens ago. If more tokens than that are undelivered (by a
// stop string of very many), rolling them back loses a little of the window's oldest end.
void CachedTokens::release_held() {
  const Position from = policy_->next() - kHeldCells - (streams() ? limits().window : 0);
  // No token that may be rolled back sees what no longer fits into the window, however far windowed layers see.
  cells_.release_held(streams() ? from : from - cells_.memory().sliding_window);
  if (!streams()) return;
  const auto lose = [&](CachePolicy::Mark& mark, int64_t& evicted) {
    const int lost = std::max(0, from - mark.oldest);
    mark.oldest += lost;
    evicted += lost;
    return lost;
  };
  for (auto& record : journal_) lose(record.origin.mark, record.origin.evicted);
  for (auto& checkpoint : checkpoints_) {
    const Position oldest = checkpoint.mark.oldest;
    if (const int lost = lose(checkpoint.mark, checkpoint.evicted); lost > 0)
      cells_.cache().remove(checkpoint.id, oldest, oldest + lost);
  }
}

CachedTokens::RolledBack CachedTokens::roll_back_to_delivered(size_t delivered, bool left) {
  const Record* first = journal_.first_behind(delivered, left);
  if (const auto cut = journal_.take_cut(first != nullptr, delivered); cut > 0) {
    pending_.drop_last(static_cast<size_t>(cut));
    forget(cut);
  }
  if (!first) return {};
  const Record record = *first;
  const auto count = journal_.remove_from(first);
  forget(count);
  if (journal_.waits()) pending_.drop_last(static_cast<size_t>(count));
  else roll_back(record.origin);
  return {count, record.token, record.end};
}

void CachedTokens::add_cut(const std::vector<Token>& tokens, size_t end) {
  add(tokens);
  journal_.cut(static_cast<int64_t>(tokens.size()), end);
}

void CachedTokens::retire() {
  checkpoints_.clear();
  cells_.drop_held();
  journal_.clear();
}

void CachedTokens::roll_back(const Origin& origin) {
  if (has_checkpoints()) return return_to_checkpoint(origin);
  const auto before = policy_->mark();
  const bool same_cells = policy_->rollback(origin.mark);
  evicted_ = origin.evicted;
  pending_.rolled_back(origin.token);
  if (!same_cells || !cells_.roll_back(*policy_, origin.mark, before)) requeue_kept_tokens(Requeue::lost_cells);
  check();
}

// The tokens between the latest checkpoint and the origin are decoded again with the next job, one by one as before.
void CachedTokens::return_to_checkpoint(const Origin& origin) {
  const auto& mark = origin.mark;
  if (mark.next >= policy_->next()) {
    // It was rolled back before: the origin's token is among those that wait to be decoded again.
    pending_.replay_up_to(static_cast<size_t>(mark.next - policy_->next()), origin.token);
    return check();
  }
  auto checkpoint = checkpoints_.take_latest(mark.next);
  pending_.replay(checkpoint ? policy_->between(checkpoint->mark.next, mark.next) : std::vector<Token>(), origin.token);
  evicted_ = checkpoint ? checkpoint->evicted : origin.evicted;
  policy_->rollback(checkpoint ? checkpoint->mark : mark);
  if (checkpoint) cells_.become(std::move(checkpoint->id));
  // There is no checkpoint left: what is known is decoded again.
  else requeue_kept_tokens(Requeue::lost_cells);
  check();
}

// ---- decoding again

bool CachedTokens::can_rebase() const {
  if (!streams() || policy_->size() == 0 || pending_.rebasing()) return false;
  // A recurrent state has no positions and cannot be computed again. (After 2^30 tokens it is given up all the same.)
  const auto& memory = cells_.memory();
  return !memory.recurrent || memory.hybrid || policy_->next() >= CachePolicy::kNever;
}

void CachedTokens::requeue_kept_tokens(Requeue reason) {
  if (reason == Requeue::rebase && cells_.memory().hybrid) cells_.save_state();
  cells_.clear();
  checkpoints_.clear();
  pending_.cache_is_empty();
  in_batch_ = false;
  const bool full = reason == Requeue::full;
  const auto restart = policy_->restart(full ? pending_.size() : 0);
  pending_.requeue(restart.to_decode, restart.known, !full && streams(), full ? restart.skipped : 0);
  if (full) evicted_ += restart.evicted;
  // Recorded tokens are the last pending ones. (A policy that recomputes uses its marks, which are still valid.)
  if (reason == Requeue::lost_cells && (streams() || limits().kind == CachePolicy::dense)) journal_.wait();
}

// ---- editing the conversation

void CachedTokens::cut(int64_t keep) {
  const int64_t drop = seen_ - keep;
  if (drop < 0)
    throw Failure("INVALID_OPTION",
                  std::to_string(keep) + " tokens cannot be kept: there are only " + std::to_string(seen_));
  if (drop == 0) return;
  if (keep == 0) {
    cells_.clear();
    cells_.drop_swapped();
    cells_.drop_state();
    checkpoints_.clear();
    forget(seen_);
    policy_ = make_cache_policy(limits());
    pending_.clear();
    evicted_ = 0;
    return;
  }
  const auto waiting = pending_size();
  if (drop < waiting) {
    // After an eviction the sinks alone are not a prefix of the conversation, even while they are pending.
    const bool within_sinks = evicted_ > 0 && policy_->size() + waiting - drop <= limits().sinks;
    if (within_sinks || pending_.policy_knows_past(waiting - drop)) throw has_left(keep);
    pending_.drop_last(static_cast<size_t>(drop));
    forget(drop);
    return;
  }
  const int64_t newest = policy_->next() - (drop - waiting) - 1;
  const auto mark = policy_->mark();
  const bool whole = evicted_ == 0 && mark.base == limits().first;
  if (newest < (whole ? policy_->lowest() : mark.oldest)) throw has_left(keep);
  const auto last = static_cast<Position>(newest);
  const Token token = policy_->between(last, last + 1).front();
  if (!policy_->cut(last)) throw has_left(keep);
  forget(drop);
  const bool whole_cells = !pending_.rebasing();
  pending_.rolled_back(token);
  cells_.drop_state();
  if (!has_slot()) {
    if (whole_cells) return cells_.cut_swapped();
    cells_.drop_swapped();
    return requeue_kept_tokens(Requeue::lost_cells);
  }
  if (!whole_cells || !cells_.truncate(*policy_) || !cells_.holds_what_is_seen(*policy_))
    requeue_kept_tokens(Requeue::lost_cells);
  check();
}

void CachedTokens::replace_sinks(const std::vector<Token>& sinks, const std::function<void()>& grow) {
  const auto before = limits();
  const int count = static_cast<int>(sinks.size());
  const bool moves = before.kind == CachePolicy::streaming && before.reanchor_every != CachePolicy::kNever &&
                     !cells_.memory().recurrent;
  if (!moves || pending_.rebasing() || before.sinks == 0 || static_cast<int>(policy_->sinks().size()) < before.sinks)
    throw Failure("EVICTED", "these sinks cannot be replaced in the cache; decode the conversation again");
  if (count == 0 || count >= before.sinks + before.window) {
    throw Failure("WINDOW_TOO_LARGE", std::to_string(count) + " sinks leave nothing of the " +
                                          std::to_string(before.sinks + before.window) +
                                          " tokens of sinks and window; use fewer, or a larger window");
  }
  const Position old_base = policy_->mark().base;
  policy_->replace_sinks(sinks);
  seen_ += count - before.sinks;
  std::exception_ptr failed;
  try {
    grow();
  } catch (const std::exception&) {
    failed = std::current_exception();
  }
  if (policy_->size() == 0) {
    // Growth has lost the cells, and all that is kept is requeued already, the new sinks with it.
    if (failed) std::rethrow_exception(failed);
    return check();
  }
  auto step = policy_->plan(0, false);
  step.reanchor = true;
  step.sinks_at = step.evict_to - count;
  try {
    if (!failed) cells_.evict(step, false);
  } catch (const std::exception&) {
    failed = std::current_exception();
  }
  evicted_ += step.evict_to - step.evict_from;
  policy_->commit(step, nullptr);
  if (failed || step.sinks_at < 0) requeue_kept_tokens(Requeue::lost_cells);
  if (failed) std::rethrow_exception(failed);
  if (policy_->size() == 0) return;
  try {
    SequenceId scratch = cells_.cache().take_id();
    decode_sinks(scratch, step.sinks_at);
    cells_.move_to(std::move(scratch), old_base, old_base + before.sinks);
  } catch (const std::exception&) {
    requeue_kept_tokens(Requeue::lost_cells);
    throw;
  }
  check();
}

void CachedTokens::share_prefix(const CachedTokens& other, int length) {
  const Position first = other.policy_->lowest();
  const auto prefix = other.policy_->shareable_prefix();
  cells_.share(other.cells_, first, first + length);
  policy_->adopt_prefix(first, std::vector<Token>(prefix.begin(), prefix.begin() + length));
  pending_.shared(static_cast<size_t>(length));
}

void CachedTokens::become_fork(const CachedTokens& other) {
  policy_ = other.policy_->clone();
  pending_ = other.pending_;
  seen_ = other.seen_, evicted_ = other.evicted_;
  restored_ = other.restored_;
  cells_.share_swapped(other.cells_);
}

// ---- slots

void CachedTokens::take_slot() {
  if (!has_slot() && !cells_.swap_in(*policy_)) requeue_kept_tokens(Requeue::lost_cells);
}

// ---- growth, and saving

std::vector<const SequenceId*> CachedTokens::ids_to_carry() {
  cells_.trim_held(oldest_origin());
  auto ids = cells_.ids();
  for (const auto& checkpoint : checkpoints_) ids.push_back(&checkpoint.id);
  return ids;
}

bool CachedTokens::write_cells(const std::vector<uint8_t>& bytes) {
  restored_ = cells_.cache().write(cells_.current(), bytes) == bytes.size() && holds_newest();
  return restored_;
}

void CachedTokens::restore(Bookkeeping bookkeeping) {
  policy_ = std::move(bookkeeping.policy);
  pending_ = std::move(bookkeeping.pending);
  seen_ = bookkeeping.seen, evicted_ = bookkeeping.evicted;
}

}  // namespace streaming
