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

// The only caller of llama.cpp's tokenizer, which does not cope with every text. It splits text for byte-level BPE by
// std::regex, which recurses once per character of a run (its issue 27783). Its time grows with the square of some
// runs, and of the number of special tokens in a call. So long texts are tokenized on a thread with a stack large
// enough for them, in parts where that changes no token. Belongs to a Model; any thread.
class Tokenizer {
 public:
  static constexpr size_t kMaxBytes = size_t(64) << 20;     // of a text
  static constexpr size_t kMaxPartBytes = size_t(1) << 20;  // of a part of it
  static constexpr size_t kPartBytes = size_t(16) << 10;    // texts longer than this are cut where they can be

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
  bool endless_ = false;           // the vocabulary makes llama.cpp's tokenizer loop forever
  mutable std::once_flag cuts_made_;
  mutable std::unique_ptr<const TextCuts> cuts_;
};

}  // namespace streaming
