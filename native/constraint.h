#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model.h"

namespace streaming {

// What a reply may be, by a grammar in llama.cpp's GBNF: from its start on, or lazily from the first of some texts on, which
// the grammar then begins with. Belongs to one generation, on the engine's thread.
class Constraint {
 public:
  // No triggers: from the start on. Throws Failure INVALID_OPTION for a grammar that llama.cpp does not understand.
  Constraint(std::shared_ptr<const Model> model, const std::string& grammar, std::vector<std::string> triggers);

  // Every token but those that it allows is ruled out; else only one that completes a trigger may be.
  bool active() const { return triggers_.empty(); }
  bool allows(Token token) const;
  // Gives what is not allowed a logit of minus infinity. False: nothing is left.
  bool mask(std::vector<llama_token_data>& candidates) const;
  // A token that allows() has come.
  void accept(Token token);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const { llama().llama_sampler_free(sampler); }
  };
  using Grammar = std::unique_ptr<llama_sampler, Free>;
  // Where in the latest text with this one behind it a trigger begins; npos: nowhere.
  size_t triggered(const std::string& text) const;
  bool feed(llama_sampler* grammar, const std::string& text) const;

  std::shared_ptr<const Model> model_;
  Grammar grammar_;
  std::vector<std::string> triggers_;  // emptied by the first that comes
  size_t longest_ = 0;                 // of the triggers
  std::string latest_;                 // the end of the text so far that a trigger may have begun in
};

}  // namespace streaming
