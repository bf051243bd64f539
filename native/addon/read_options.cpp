#include "addon/read_options.h"

#include <map>

#include "addon/napi_values.h"

namespace streaming {
namespace {

const std::map<std::string, CachePolicy::Kind> kPolicies{{"streaming", CachePolicy::streaming},
                                                         {"dense", CachePolicy::dense},
                                                         {"recompute", CachePolicy::recompute},
                                                         {"refill", CachePolicy::refill}};
const std::map<std::string, ggml_type> kCacheTypes{
    {"f32", GGML_TYPE_F32}, {"f16", GGML_TYPE_F16}, {"q8_0", GGML_TYPE_Q8_0}, {"q4_0", GGML_TYPE_Q4_0}};
const std::map<std::string, llama_flash_attn_type> kFlashAttention{{"auto", LLAMA_FLASH_ATTN_TYPE_AUTO},
                                                                   {"on", LLAMA_FLASH_ATTN_TYPE_ENABLED},
                                                                   {"off", LLAMA_FLASH_ATTN_TYPE_DISABLED}};

SamplingOptions read_sampling(const Napi::Object& from) {
  SamplingOptions options;
  options.temperature = static_cast<float>(number(from, "temperature"));
  options.top_k = integer(from, "topK");
  options.top_p = static_cast<float>(number(from, "topP"));
  options.min_p = static_cast<float>(number(from, "minP"));
  options.typical_p = static_cast<float>(number(from, "typicalP"));
  options.repeat_penalty = static_cast<float>(number(from, "repeatPenalty"));
  options.frequency_penalty = static_cast<float>(number(from, "frequencyPenalty"));
  options.presence_penalty = static_cast<float>(number(from, "presencePenalty"));
  options.penalty_tokens = integer(from, "penaltyTokens");
  options.dry_multiplier = static_cast<float>(number(from, "dryMultiplier"));
  options.dry_base = static_cast<float>(number(from, "dryBase"));
  options.dry_allowed_length = integer(from, "dryAllowedLength");
  options.dry_tokens = integer(from, "dryTokens");
  options.dry_breakers = texts(from, "dryBreakers");
  options.seed = from.Get("seed").ToNumber().Uint32Value();
  options.reproducible = from.Get("reproducible").ToBoolean();
  const auto optional = [&](const char* name, float& value) {
    if (from.Get(name).IsNumber()) value = static_cast<float>(number(from, name));
  };
  optional("topNSigma", options.top_n_sigma);
  optional("xtcProbability", options.xtc_probability), optional("xtcThreshold", options.xtc_threshold);
  optional("temperatureRange", options.temperature_range),
      optional("temperatureExponent", options.temperature_exponent);
  if (from.Get("mirostat").IsNumber()) options.mirostat = integer(from, "mirostat");
  optional("mirostatTau", options.mirostat_tau), optional("mirostatEta", options.mirostat_eta);
  optional("adaptiveTarget", options.adaptive_target), optional("adaptiveDecay", options.adaptive_decay);
  if (const auto given = from.Get("biasTokens"); given.IsTypedArray()) {
    const auto biased = tokens(given);
    const auto values = from.Get("biasValues").As<Napi::Float32Array>();
    for (size_t i = 0; i < biased.size(); i++) options.bias.push_back({biased[i], values[i]});
  }
  return options;
}

}  // namespace

ContextOptions read_context_options(const Napi::Object& from) {
  ContextOptions options;
  options.threads = integer(from, "threads");
  options.threads_may_change = from.Get("threadsMayChange").ToBoolean();
  options.batch_size = integer(from, "batchSize");
  options.cache_tokens = integer(from, "cacheTokens");
  options.max_sequences = integer(from, "maxSequences");
  if (const auto waits = from.Get("waits"); waits.IsBoolean()) options.queues = waits.ToBoolean();
  if (const auto folder = from.Get("swapFolder"); folder.IsString())
    options.swap_folder = folder.ToString().Utf8Value();
  if (const auto unload = from.Get("unloadAfter"); unload.IsNumber())
    options.unload_after_ms = unload.ToNumber().DoubleValue();
  options.kv_type = named(from, "kvType", kCacheTypes);
  options.flash_attention = named(from, "flashAttention", kFlashAttention);
  return options;
}

CachePolicy::Limits read_limits(const Napi::Object& from, int trained_length) {
  return {named(from, "policy", kPolicies), integer(from, "sinks"), integer(from, "window"),
          integer(from, "reanchorEvery"),   trained_length,         integer(from, "firstPosition"),
          from.Get("byTurn").ToBoolean()};
}

namespace {

std::vector<Token> read_tokens(const Napi::Object& from, const char* name, const Model& model) {
  const auto given = from.Get(name);
  if (!given.IsTypedArray()) return {};
  auto read = tokens(given);
  model.check_tokens(read.data(), read.size());
  return read;
}

std::vector<int> read_turns(const Napi::Object& from) {
  const auto turns = from.Get("turns");
  return turns.IsTypedArray() ? tokens(turns) : std::vector<int>();
}

jobs::Generate read_generate(const Napi::Object& from, const Model& model) {
  jobs::Generate job;
  job.tokens = read_tokens(from, "tokens", model);
  job.turns = read_turns(from);
  job.max_tokens = static_cast<int64_t>(number(from, "maxTokens"));
  job.time_limit_ms = number(from, "timeLimit");
  job.stops = texts(from, "stop");
  job.sampling = read_sampling(from.Get("sampling").As<Napi::Object>());
  for (const auto& [token, value] : job.sampling.bias) model.check_tokens(&token, 1);
  if (const auto grammar = from.Get("grammar"); grammar.IsString()) job.grammar = grammar.ToString().Utf8Value();
  if (from.Get("triggers").IsArray()) job.triggers = texts(from, "triggers");
  if (const auto given = from.Get("reasoning"); given.IsObject()) {
    const auto marks = given.As<Napi::Object>();
    job.reasoning = {text(marks, "open"), text(marks, "close")};
    job.before = text(marks, "before");
  }
  if (from.Get("alternatives").IsNumber()) job.alternatives = integer(from, "alternatives");
  if (const auto visible = from.Get("visibleTokens"); visible.IsTypedArray()) job.visible = tokens(visible);
  job.speculation = from.Get("speculation").ToBoolean();
  if (const auto forced = from.Get("forcedDrafts"); forced.IsObject()) {
    const auto object = forced.As<Napi::Object>();
    job.forced = std::make_shared<const jobs::Generate::Forced>(
        jobs::Generate::Forced{read_tokens(object, "tokens", model), integer(object, "count")});
  }
  return job;
}

jobs::Restore read_restore(const Napi::Object& from) {
  const auto state = from.Get("state").As<Napi::Uint8Array>();
  return {std::vector<uint8_t>(state.Data(), state.Data() + state.ByteLength()), from.Get("tokensAlone").ToBoolean()};
}

using JobReader = jobs::Any (*)(const Napi::Object& from, const Model& model);
const std::map<std::string, JobReader> kJobs{
    {"append",
     [](auto& from, auto& model) -> jobs::Any {
       return jobs::Append{read_tokens(from, "tokens", model), read_turns(from)};
     }},
    {"add",
     [](auto& from, auto& model) -> jobs::Any {
       return jobs::Add{read_tokens(from, "tokens", model), read_turns(from)};
     }},
    {"score", [](auto& from, auto& model) -> jobs::Any { return jobs::Score{read_tokens(from, "tokens", model)}; }},
    {"generate", [](auto& from, auto& model) -> jobs::Any { return read_generate(from, model); }},
    {"rebase", [](auto&, auto&) -> jobs::Any { return jobs::Rebase{}; }},
    {"cut", [](auto& from, auto&) -> jobs::Any { return jobs::Cut{static_cast<int64_t>(number(from, "keep"))}; }},
    {"replaceSinks",
     [](auto& from, auto& model) -> jobs::Any { return jobs::ReplaceSinks{read_tokens(from, "tokens", model)}; }},
    {"readTokens", [](auto&, auto&) -> jobs::Any { return jobs::ReadTokens{}; }},
    {"save", [](auto&, auto&) -> jobs::Any { return jobs::Save{}; }},
    {"restore", [](auto& from, auto&) -> jobs::Any { return read_restore(from); }}};

}  // namespace

Job read_job(const Napi::Object& from, const Model& model) {
  Job job{.what = named(from, "type", kJobs)(from, model), .priority = 0, .stream = nullptr};
  if (const auto priority = from.Get("priority"); priority.IsNumber()) job.priority = priority.ToNumber().DoubleValue();
  return job;
}

}  // namespace streaming
