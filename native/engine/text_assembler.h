#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace streaming {

// Makes text of tokens' bytes: only whole UTF-8 characters, and nothing that may turn out to be the beginning of a stop
// string. Belongs to one generation, on the engine's thread.
class TextAssembler {
 public:
  struct Piece {
    std::string text;  // valid UTF-8; bytes that are none have become U+FFFD
    size_t bytes = 0;  // how many of the tokens' bytes this text stands for
  };

  explicit TextAssembler(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds a token's bytes and returns what may be delivered now. Once stopped() nothing more comes.
  Piece append(std::string_view bytes);
  // No more tokens will come, so what waited for a stop string is text after all. `ended`: the model ended its turn
  // by itself, so that a character that is still incomplete never will be complete; else its bytes are left out.
  Piece finish(bool ended);
  bool stopped() const { return stopped_; }

 private:
  Piece take(size_t bytes, bool replace_incomplete);

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace streaming
