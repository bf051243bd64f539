#pragma once
#include <array>
#include <map>

namespace streaming {

// How many threads to compute on, found by measurement. llama.cpp's threads wait for each other by spinning, a thousand
// times per token. If another program takes one of the cores, a token takes a hundred times as long, while one thread
// fewer is as fast as before. Plain arithmetic: it knows no clock and no llama.cpp. On the engine's thread.
//
// It starts with all threads it may use. Once it knows what a decode costs, it tries one thread fewer for a moment,
// stays there if that is faster, and tries the next. A decode that takes many times as long as it should is given up
// (limit()) and done again on one thread fewer. More threads are tried again after a while, which doubles each time the
// trial fails. Costs are compared only between batches of the same size.
class ThreadChoice {
 public:
  // `may_change` false: always `max_threads`.
  ThreadChoice(int max_threads, int full_batch, bool may_change);

  int threads() const { return threads_; }
  // Milliseconds after which a decode of so many tokens should be given up; infinite where that is not known.
  double limit(int tokens) const;
  // The same for so many threads, whatever the current choice is.
  double limit_on(int threads, int tokens) const;
  // A decode on so many threads has taken so many milliseconds, whatever the current choice is. Starts no trial.
  void observe_on(int threads, int tokens, double milliseconds);
  // A decode has taken so many milliseconds.
  void observe(int tokens, double milliseconds);
  // A decode has been given up; it comes again.
  void gave_up();

 private:
  struct Cost {
    double usual = 0;  // milliseconds without what disturbs
    int count = 0;
  };
  int kind(int tokens) const;
  double usual(int threads, int tokens) const;
  // Returns whether it was slow, for what is known.
  bool learn(Cost& cost, double milliseconds);
  void try_threads(int threads, int kind);
  void end_trial(bool stay);
  void forget_trial();

  const int max_threads_, full_batch_;
  const bool may_change_;
  int threads_;
  std::map<int, std::map<int, Cost>> costs_;  // by threads, by kind of batch
  // A trial of another number of threads; from_ is the number before it.
  bool trying_ = false;
  int from_ = 0, trial_kind_ = 0, trial_count_ = 0, trial_others_ = 0;
  double trial_sum_ = 0;
  int until_fewer_, until_more_ = 0, backoff_;
  int slow_ = 0;  // how many of the last decodes took more than twice the usual
};

}  // namespace streaming
