#include "llama/tokenizer.h"

#include <algorithm>
#include <climits>

#include "llama/catch_exceptions.h"
#include "llama/llama_library.h"
#include "support/big_stack.h"
#include "support/failure.h"

namespace streaming {
namespace {

// Up to so many bytes a text fits on any thread's stack: some 350 bytes of it are used for each character.
constexpr size_t kMaxBytesOnAnyStack = 256;
// Three times as much as was measured, for other compilers; what is not used takes no memory.
constexpr size_t kStackBytesPerByte = 1024, kStackBytes = 512 << 10;
// Special tokens in one part: for each, llama.cpp walks through all those before.
constexpr size_t kSpecialPlaces = 256;

std::string value_of(const llama_model* model, const char* key) {
  char value[128] = "";
  return llama().llama_model_meta_val_str(model, key, value, sizeof value) < 0 ? std::string() : std::string(value);
}

// The bytes of the white space character that stands there, 0 for another one; line feeds, at which the expression in
// question begins anew, are none.
size_t space_at(std::string_view text, size_t at) {
  static constexpr std::string_view kWide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
                                               "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                               "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
  const char c = text[at];
  if (static_cast<unsigned char>(c) < 0x80) return c == ' ' || c == '\t' || c == '\v' || c == '\f' ? 1 : 0;
  const auto rest = text.substr(at);
  const auto* found =
      std::find_if(std::begin(kWide), std::end(kWide), [&](std::string_view each) { return rest.starts_with(each); });
  return found == std::end(kWide) ? 0 : found->size();
}

// RWKV's takes the longest token that the text begins with, and stays where it is if there is none, though some token
// begins with the same byte.
bool is_endless(const llama_vocab* vocab) {
  std::bitset<256> first, alone;
  for (llama_token token = 0; token < llama().llama_vocab_n_tokens(vocab); token++) {
    char bytes[8];
    const int length = llama().llama_token_to_piece(vocab, token, bytes, sizeof bytes, 0, true);
    const std::string_view text(llama().llama_vocab_get_text(vocab, token));
    if (text.empty()) continue;
    // For a longer token only its text is known, with the first byte escaped or not.
    if (length == 1) alone.set(static_cast<unsigned char>(bytes[0])), first.set(static_cast<unsigned char>(bytes[0]));
    else if (length > 1) first.set(static_cast<unsigned char>(bytes[0]));
    else if (text[0] != '\\') first.set(static_cast<unsigned char>(text[0]));
  }
  return (first & ~alone).any();
}

}  // namespace

Tokenizer::Tokenizer(const llama_model* model, const llama_vocab* vocab)
    : vocab_(vocab),
      type_(llama().llama_vocab_type(vocab)),
      model_(value_of(model, "tokenizer.ggml.model")),
      pre_(value_of(model, "tokenizer.ggml.pre")) {
  endless_ = type_ == LLAMA_VOCAB_TYPE_RWKV && is_endless(vocab);
}

const TextCuts& Tokenizer::cuts() const {
  std::call_once(cuts_made_, [&] {
    const bool words = type_ != LLAMA_VOCAB_TYPE_UGM && model_ != "hybriddna" && model_ != "whitespace";
    cuts_ = std::make_unique<TextCuts>(vocab_, words);
  });
  return *cuts_;
}

std::vector<llama_token> Tokenizer::tokenize(std::string_view text, bool special, size_t part_bytes) const {
  if (endless_)
    throw Failure("TOKENIZE_FAILED",
                  "the model's vocabulary lacks single bytes that its longer tokens begin with, so no text can be "
                  "tokenized with it; use another file");
  if (text.size() <= std::min(kMaxBytesOnAnyStack, part_bytes)) return call(text, special);
  if (text.size() > kMaxBytes) {
    throw Failure("TEXT_TOO_LONG", "a text of " + std::to_string(text.size()) + " bytes is longer than the " +
                                       std::to_string(kMaxBytes) + " that are tokenized at once; pass it in parts");
  }
  check_runs(text);
  const auto all = parts(text, special, part_bytes);
  std::vector<llama_token> tokens;
  const auto work = [&] {
    for (const auto& part : all) append(tokens, text, part, special);
  };
  if (type_ != LLAMA_VOCAB_TYPE_BPE) {
    work();
    return tokens;
  }
  size_t max_bytes = 0;
  for (const auto& part : all) max_bytes = std::max(max_bytes, part.end - part.begin);
  on_big_stack(kStackBytes + max_bytes * kStackBytesPerByte, work);
  return tokens;
}

std::vector<Tokenizer::Part> Tokenizer::parts(std::string_view text, bool special, size_t part_bytes) const {
  std::vector<Part> all{{0, text.size(), TextCuts::special}};
  if (text.size() <= part_bytes) return all;
  const auto& places = cuts();
  size_t specials = 0;
  for (size_t at = 1; at < text.size(); at++) {
    const auto kind = places.at(text, at, special);
    if (kind == TextCuts::special) specials++;
    const size_t length = at - all.back().begin;
    if (kind && (length >= part_bytes || specials >= kSpecialPlaces)) {
      all.back().end = at;
      all.push_back({at, text.size(), *kind});
      specials = 0;
    } else if (length >= kMaxPartBytes) {
      throw Failure("TEXT_TOO_LONG",
                    "from byte " + std::to_string(all.back().begin) + " on, more than " +
                        std::to_string(kMaxPartBytes) +
                        " bytes of this text have no place where it can be cut for the tokenizer: a line break before "
                        "a word, or a space between two words; put some in, or pass it in parts");
    }
  }
  return all;
}

// Two of llama.cpp's expressions try each character of a run with all that follow it. Their cost may be that of sixteen
// more passes over the text, plus about a second.
void Tokenizer::check_runs(std::string_view text) const {
  const bool spaces = pre_ == "deepseek-llm", digits = pre_ == "superbpe";
  if (!spaces && !digits) return;
  const auto counted = [&](size_t at) -> size_t {
    const char c = text[at];
    return spaces ? space_at(text, at) : c >= '0' && c <= '9' ? 1 : 0;
  };
  uint64_t run = 0, cost = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = counted(at);
    run = length > 0 ? run + 1 : 0;
    cost += run;
    at += std::max<size_t>(length, 1);
    if (cost > (uint64_t(1) << 22) + 16 * uint64_t(text.size())) {
      throw Failure("TEXT_TOO_LONG", std::string("runs of ") + (spaces ? "white space" : "digits") +
                                         " as long as in this text take the tokenizer of this model (" + pre_ +
                                         ") time that grows with their square; shorten them");
    }
  }
}

// SentencePiece puts a prefix before a text's start and behind special tokens only. So a part that begins elsewhere is
// tokenized together with the character before it, and that character's tokens are dropped. They are the tokens that it
// has alone, since nothing merges across the cut.
void Tokenizer::append(std::vector<llama_token>& tokens, std::string_view text, const Part& part, bool special) const {
  const bool within = type_ == LLAMA_VOCAB_TYPE_SPM && part.kind != TextCuts::special;
  const size_t begin = part.begin - (within ? 1 : 0);
  const size_t skipped = within ? call(text.substr(begin, 1), special).size() : 0;
  const auto more = call(text.substr(begin, part.end - begin), special);
  tokens.insert(tokens.end(), more.begin() + static_cast<std::ptrdiff_t>(skipped), more.end());
}

std::vector<llama_token> Tokenizer::call(std::string_view text, bool special) const {
  std::vector<llama_token> tokens(text.size() + 8);
  int count = 0;
  // add_special stays false: llama.cpp asserts on models that want a BOS token but name none.
  const auto thrown = catch_exceptions([&] {
    count = llama().llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                   static_cast<int32_t>(tokens.size()), false, special);
    if (count < 0 && count != INT_MIN) {
      tokens.resize(static_cast<size_t>(-count));
      count = llama().llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                     static_cast<int32_t>(tokens.size()), false, special);
    }
  });
  if (thrown || count < 0) {
    throw Failure("TOKENIZE_FAILED",
                  "the model's vocabulary cannot express this text" +
                      (thrown && !thrown->empty() ? " (llama.cpp: " + *thrown + ")" : std::string()) +
                      "; leave out the characters it lacks, or use another model");
  }
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

}  // namespace streaming
