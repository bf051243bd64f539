#pragma once
#include <llama.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "llama/text_cuts.h"

namespace streaming {

// The one door to llama.cpp's tokenizer, which is not made for every text: std::regex, by which it splits text for
// byte-level BPE, calls itself once a character of a run (its issue 27783); and its time grows with the square of some
// runs, and with that of the number of special tokens in a call. So long texts are tokenized on a thread whose stack is
// large enough for them, in parts where that changes no token. Belongs to a Model; any thread.
class Tokenizer {
 public:
  static constexpr size_t kMaxBytes = size_t(64) << 20;     // of a text
  static constexpr size_t kMaxPartBytes = size_t(1) << 20;  // of a part of it
  static constexpr size_t kPartBytes = size_t(16) << 10;    // from which on a text is cut where it can be

  // The vocabulary must outlive it.
  Tokenizer(const llama_model* model, const llama_vocab* vocab);

  // As Model::tokenize. `part_bytes`: kPartBytes, except for tests.
  std::vector<llama_token> tokenize(std::string_view text, bool special, size_t part_bytes = kPartBytes) const;

 private:
  struct Part {
    size_t begin, end;
    TextCuts::Kind kind;  // of the place where it begins
  };
  std::vector<Part> parts(std::string_view text, bool special, size_t part_bytes) const;
  void check_runs(std::string_view text) const;
  void append(std::vector<llama_token>& tokens, std::string_view text, const Part& part, bool special) const;
  std::vector<llama_token> call(std::string_view text, bool special) const;
  const TextCuts& cuts() const;

  const llama_vocab* const vocab_;
  const enum llama_vocab_type type_;
  const std::string model_, pre_;  // what the file names its tokenizer and what splits its text
  bool endless_ = false;           // the vocabulary makes llama.cpp's tokenizer go round for ever
  mutable std::once_flag cuts_made_;
  mutable std::unique_ptr<const TextCuts> cuts_;
};

}  // namespace streaming
