/** What splits text for byte-level BPE (`tokenizer.ggml.pre`): all names that llama.cpp v0.4.0 knows. */
export const preTokenizers = [
  'a.x-4.0', 'afmoe', 'bailingmoe', 'bailingmoe2', 'bloom', 'chameleon', 'chatglm-bpe', 'codeshell', 'cohere2moe',
  'command-r', 'dbrx', 'deepseek-coder', 'deepseek-llm', 'deepseek-r1-qwen', 'deepseek-v3', 'default', 'exaone',
  'exaone-moe', 'exaone4', 'f2llmv2', 'falcon', 'falcon-h1', 'falcon3', 'gemma4', 'gigachat', 'glm4', 'gpt-2',
  'gpt-4o', 'gpt3-finnish', 'granite-docling', 'granite-embed-multi-311m', 'granite-embed-multi-97m', 'grok-2',
  'hunyuan', 'hunyuan-dense', 'jais', 'jais-2', 'jina-de', 'jina-es', 'jina-v1-en', 'jina-v2-code', 'jina-v2-de',
  'jina-v2-es', 'jina-v5-nano', 'joyai-llm', 'kanana2', 'kimi-k2', 'kormo', 'laguna', 'lfm2', 'llada-moe',
  'llama-bpe', 'llama-v3', 'llama3', 'llama4', 'megrez', 'mellum', 'mellum2', 'midm-2.0', 'minerva-7b', 'minicpm5',
  'minimax-m2', 'modern-bert', 'mpt', 'olmo', 'phi-2', 'pixtral', 'poro-chat', 'qwen2', 'qwen35', 'refact',
  'roberta-bpe', 'sarvam-moe', 'seed-coder', 'smaug-bpe', 'smollm', 'solar-open', 'stablelm2', 'starcoder',
  'superbpe', 'talkie', 'tekken', 'tiny_aya', 'trillion', 'viking', 'whitespace', 'youtu',
] as const

/** One name for each way of splitting. */
export const waysToSplit = [
  'afmoe', 'bailingmoe', 'bloom', 'chameleon', 'deepseek-coder', 'deepseek-llm', 'deepseek-v3', 'default', 'exaone-moe',
  'falcon', 'gemma4', 'gpt-2', 'gpt-4o', 'granite-embed-multi-97m', 'jais-2', 'kimi-k2', 'laguna', 'llama-bpe', 'minicpm5',
  'qwen2', 'qwen35', 'sarvam-moe', 'seed-coder', 'starcoder', 'superbpe', 'tekken', 'tiny_aya', 'viking', 'youtu',
] as const

/** A character or two of each Unicode class, and what tokenizers have rules for. */
export const textClasses = [
  'a', 'A', 'aB', 'ß', 'Ж', 'ǅ', 'ʰ', 'ª', '你', 'の', 'カ', '한', 'ไ', 'ก', 'ع', 'א', 'अ', 'Ა', '\u0301', '\u0903', '\u20dd', 'e\u0301',
  '7', '٣', '½', 'Ⅷ', '²', ',', '.', '=', '+', '/', '$', '€', '^', '´', '_', '—', '(', ')', '«', '»', "'", "'s", "'LL", '"', '#', '|', '~', '`',
  ' ', '  ', '\u00a0', '\u3000', '\u2028', '\u2029', '\n', '\r\n', '\r', '\t', '\v', '\u0085', '\u0000', '\u0001', '\u007f', '\u200d', '\ufeff',
  '\u00ad', '\ue000', '\u0378', '\ufffd', '🙂', '👩\u200d🚀', '🇩🇪', '𝔘', '𐐀', '\u{10ffff}', 'the world', ' Hello', 'x\nThe', 'a b', '<b>', '<|im_end|>', '\n\n',
] as const
