#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/checkpoints.h"
#include "engine/journal.h"
#include "engine/pending_tokens.h"
#include "engine/sequence_cells.h"
#include "policy/cache_policy.h"
#include "speculation/ngram_index.h"

namespace streaming {

// The tokens of one conversation: those in the cache, by a policy's bookkeeping; those that wait to be decoded; and how
// many there have been. It keeps the three consistent with what llama.cpp holds: forward by committed batches, back by
// the journal. Each token is in the cache, pending, or evicted.
//
// clang-format off
// | what changes        | cells                                                       | decoded again                                               | may fail                                        |
// | ------------------- | ----------------------------------------------------------- | ----------------------------------------------------------- | ----------------------------------------------- |
// | add                 | stay                                                        | nothing                                                     |                                                 |
// | commit              | evicted ones are removed or held, sinks that move exchanged | nothing                                                     | POLICY_UNAVAILABLE, NO_SEQUENCE_LEFT            |
// | roll back           | those behind are removed, held ones return                  | sinks that had moved                                        |                                                 |
// | ... by checkpoints  | those of the latest one before it                           | single tokens from there; without one, all that is kept     |                                                 |
// | cut                 | those behind are removed                                    | nothing; if the memory cannot drop a part, all that is kept | EVICTED, INVALID_OPTION                         |
// | replace sinks       | the old sinks' are removed, and what no longer fits         | the new sinks; if they do not fit below, all that is kept   | EVICTED, WINDOW_TOO_LARGE, what decoding throws |
// | share prefix        | shared, metadata only                                       | nothing                                                     |                                                 |
// | fork                | shared, or copied if they are swapped out                   | nothing                                                     | NO_SEQUENCE_LEFT                                |
// | swap out, take slot | written elsewhere, and back                                 | nothing; if they are lost, all that is kept                 | NO_SEQUENCE_LEFT                                |
// | grow                | carried into a larger cache                                 | nothing; if they are lost, all that is kept                 |                                                 |
// | restore             | written from a saved chat                                   | nothing; if they do not fit, all that is kept               |                                                 |
// | requeue: rebase     | none, except a hybrid's state                               | all that is kept                                            | NO_SEQUENCE_LEFT                                |
// | requeue: lost cells | none                                                        | all that is kept                                            |                                                 |
// | requeue: full       | none                                                        | what the policy keeps                                       |                                                 |
// clang-format on
//
// If cells that should stay are lost, the tokens are requeued: that costs time, but nothing of the conversation. On the
// engine's thread. It knows no job and no reader.
class CachedTokens {
 public:
  // Tokens are requeued when the positions reach `rebase_after`. `verifies`: check() compares all bookkeeping with the
  // cache. The cache must outlive it.
  CachedTokens(Cells& cells, const MemoryKind& memory, const CachePolicy::Limits& limits, Position rebase_after,
               bool verifies);

  const CachePolicy& policy() const { return *policy_; }
  const CachePolicy::Limits& limits() const { return policy_->limits(); }
  const PendingTokens& pending() const { return pending_; }
  const SequenceCells& cells() const { return cells_; }
  const Journal& journal() const { return journal_; }
  int checkpoints() const { return checkpoints_.size(); }
  int64_t seen() const { return seen_; }        // tokens of the conversation, evicted and pending ones included
  int64_t evicted() const { return evicted_; }  // of these
  Position rebase_after() const { return rebase_after_; }
  bool verifies() const { return verifies_; }
  bool restored() const { return restored_; }
  // The last `count` tokens of the conversation that are still known.
  std::vector<Token> last(int count) const;
  // Rolling back a generated token needs checkpoints.
  bool has_checkpoints() const;
  // Whether the cache ends where the bookkeeping does.
  bool holds_newest() const { return cells_.holds_newest(*policy_); }
  // Throws Failure DECODE_FAILED where `verifies` and an invariant does not hold.
  void check() const;

  // ---- more tokens

  // From now on the index is updated with each token that is added or removed; null: none is.
  void listen(NgramIndex* index) { index_ = index; }
  void add(Token token);
  void add(const std::vector<Token>& tokens);
  // Turns begin at these of the next tokens.
  void begin_turns(const std::vector<int>& turns);

  // ---- a batch

  // Its tokens are in the batch being built, and have not been requeued since.
  bool in_batch() const { return in_batch_; }
  void begin_round() { in_batch_ = false; }
  // The first `count` pending tokens go into the batch.
  std::vector<Token> claim(int count);
  void checkpoint_if_due();
  // Decodes the sinks under an id of their own.
  void decode_sinks(const SequenceId& id, Position at) { cells_.decode_sinks(policy_->sinks(), id, at); }
  // The state before the next decode; or, behind a batch of many, before its last token, whose evictions stay.
  Origin origin(Token token) const { return {policy_->mark(), token, evicted_}; }
  Origin origin_within(Token last) const;
  // The step's batch has been decoded, and if its sinks move, they were decoded under the id `sinks`. True: that was
  // the last batch of a rebase.
  bool commit(const CachePolicy::Step& step, const Token* tokens, SequenceId sinks, bool may_roll_back);
  // Removes the cells behind the newest committed token.
  void remove_uncommitted();
  // If nothing is recorded, releases what is held for rolling back.
  void release();

  // ---- rolling back

  // A generated token, whose text ends at so many bytes of the reply, is the next one.
  void record(const Origin& origin, Token token, size_t end, bool silent);
  // The reader has taken this many bytes: forgets how to roll back to before them.
  void release_delivered(size_t delivered);
  struct RolledBack {
    int64_t count = 0;  // tokens
    Token first = 0;    // the first of them, and where its text ended
    size_t end = 0;
  };
  // Removes each recorded token whose text does not lie wholly within the first `delivered` bytes. `left`: also tokens
  // without text, which only the text behind them would have delivered.
  RolledBack roll_back_to_delivered(size_t delivered, bool left);
  // The first part of a token that was rolled back stays in other tokens, whose text ends there.
  void add_cut(const std::vector<Token>& tokens, size_t end);
  // The job is over: nothing of it is rolled back any more.
  void retire();

  // ---- decoding again

  enum class Requeue {
    rebase,      // positions are high: all that is kept, from position 0
    lost_cells,  // the cache does not hold what it should: likewise. Recorded tokens can still be rolled back until
                 // then
    full,        // the policy cannot go on in place
  };
  // Empties the cache; all that is kept becomes pending, before what is pending already.
  void requeue_kept_tokens(Requeue reason);
  bool rebase_due() const { return policy_->next() >= rebase_after_ && can_rebase(); }
  bool can_rebase() const;
  bool must_requeue() const { return !pending_.rebasing() && policy_->must_restart(pending_.size()); }

  // ---- editing the conversation

  // Whether forgetting all but the first `keep` tokens takes more than dropping pending ones.
  bool cut_reaches_cells(int64_t keep) const { return keep > 0 && seen_ - keep >= pending_size(); }
  // Forgets the tokens behind the first `keep`; evicted tokens stay evicted. Throws Failure EVICTED, INVALID_OPTION. If
  // the sequence is swapped out, its cells are cut when they are swapped in.
  void cut(int64_t keep);
  // Replaces the sinks, by any number of tokens; the window gets what they leave. Only the new sinks are decoded,
  // unless they do not fit below the window: then everything is. `grow` makes sure that there are cells for the new
  // limits. Throws Failure EVICTED, WINDOW_TOO_LARGE, what `grow` throws, and what decoding does.
  void replace_sinks(const std::vector<Token>& sinks, const std::function<void()>& grow);
  // Takes over the first tokens that another conversation has decoded, which are the first pending ones here. Metadata
  // only.
  void share_prefix(const CachedTokens& other, int length);
  // Copies another conversation's bookkeeping. Its cells follow by share_cells(), or a copy outside the cache by
  // copy_swapped().
  void become_fork(const CachedTokens& other);
  void share_cells(const CachedTokens& other) { cells_.copy_all(other.cells_); }
  void copy_swapped(const CachedTokens& other, const std::string& folder) { cells_.swap_copy(other.cells_, folder); }

  // ---- slots

  bool has_slot() const { return cells_.has_slot(); }
  // What is swapped out has more at its end than belongs to it.
  bool swapped_is_longer() const { return cells_.is_swapped() && cells_.swapped_is_longer(); }
  bool is_swapped() const { return cells_.is_swapped(); }
  // Swaps its cells in; if that fails, what is kept is requeued. Throws Failure NO_SEQUENCE_LEFT.
  void take_slot();
  void swap_out(const std::string& folder) { cells_.swap_out(policy_->size() > 0, folder); }

  // ---- growth of the cache (engine/cache_growth.h), and saving (saved_sequence.h)

  std::vector<const SequenceId*> ids_to_carry();
  void has_grown() { cells_.has_grown(*policy_, oldest_origin()); }
  std::vector<uint8_t> read_cells() const { return cells_.read(); }
  // Cells from a saved chat: no other sequence may share them, whatever its tokens. False: they do not fit.
  bool write_cells(const std::vector<uint8_t>& bytes);
  struct Bookkeeping {
    std::unique_ptr<CachePolicy> policy;
    PendingTokens pending;
    int64_t seen, evicted;
  };
  void restore(Bookkeeping bookkeeping);

 private:
  int64_t pending_size() const { return static_cast<int64_t>(pending_.size()); }
  bool streams() const { return limits().kind == CachePolicy::streaming; }
  const CachePolicy::Mark* oldest_origin() const { return journal_.empty() ? nullptr : &journal_.front().origin.mark; }
  void forget(int64_t count);
  void release_held();
  void roll_back(const Origin& origin);
  void return_to_checkpoint(const Origin& origin);

  std::unique_ptr<CachePolicy> policy_;
  SequenceCells cells_;
  const Position rebase_after_;
  const bool verifies_;
  // Known but not yet decoded. The conversation's last token is always among them: it is decoded together with what
  // follows, since its logits are needed then.
  PendingTokens pending_;
  Journal journal_;
  Checkpoints checkpoints_;
  int64_t seen_ = 0, evicted_ = 0;
  bool restored_ = false;
  bool in_batch_ = false;
  NgramIndex* index_ = nullptr;
};

// Whether each token of a conversation is in the cache, waits to be decoded, or has been evicted.
inline bool counts_all(int64_t seen, int64_t evicted, const CachePolicy& policy, size_t pending) {
  return seen - evicted == policy.size() + static_cast<int64_t>(pending);
}

}  // namespace streaming
