/** The kinds of values that the metadata of models has, by their keys: of llama.cpp v0.4.0 all keys that it reads. */

const words = (text: string): string[] => text.trim().split(/\s+/)

/** Behind the architecture's name; whole numbers, some of which may also be an array with one for each layer. */
export const wholeKeys = words(`
  vocab_size context_length embedding_length embedding_length_out embedding_length_per_layer_input features_length block_count
  leading_dense_block_count attn_res.block_size feed_forward_length expert_feed_forward_length expert_shared_feed_forward_length
  expert_chunk_feed_forward_length expert_count expert_used_count expert_shared_count expert_group_count expert_group_used_count
  expert_latent_length expert_gating_func experts_per_group moe_every_n_layers moe_latent_size nextn_predict_layers n_deepstack_layers
  pooling_type decoder_start_token_id decoder_block_count rescale_every_n_layers time_mix_extra_dim time_decay_extra_dim
  token_shift_count interleave_moe_layer_step full_attention_interval num_loops adapters.count adapters.lora_rank
  attention.head_count attention.head_count_kv attention.key_length attention.value_length attention.group_norm_groups
  attention.q_lora_rank attention.kv_lora_rank attention.decay_lora_rank attention.iclr_lora_rank
  attention.value_residual_mix_lora_rank attention.gate_lora_rank attention.relative_buckets_count attention.sliding_window
  attention.sliding_window_pattern attention.temperature_length attention.key_length_mla attention.value_length_mla
  attention.key_length_swa attention.value_length_swa attention.key_length_mla_swa attention.value_length_mla_swa
  attention.kv_lora_rank_swa attention.indexer.head_count attention.indexer.key_length attention.indexer.top_k
  attention.indexer.block_size attention.indexer.local_blocks attention.output_group_count attention.output_lora_rank
  attention.shared_kv_layers hyper_connection.count hyper_connection.sinkhorn_iterations hyper_connection.low_rank ple.ngram_size
  ple.heads_per_ngram ple.conv_kernel ple.eos_token_id ple.image_token_id hash_layer_count rope.dimension_count
  rope.dimension_count_swa rope.scaling.original_context_length ssm.conv_kernel ssm.inner_size ssm.state_size ssm.time_step_rank
  ssm.group_count kda.head_dim wkv.head_size posnet.embedding_length posnet.block_count convnext.embedding_length
  convnext.block_count target_hidden_size block_size conv_kernel_size conv_group_size selector_rank selector_top_k shortconv.l_cache
  dense_2_feat_in dense_2_feat_out dense_3_feat_in dense_3_feat_out`)

export const realKeys = words(`
  activation.situ_beta activation.situ_linear_beta swiglu_clamp_exp swiglu_clamp_shexp expert_weights_scale expert_group_scale
  logit_scale attn_logit_softcapping router_logit_softcapping final_logit_softcapping residual_scale embedding_scale
  adapters.router_gain attention.max_alibi_bias attention.clamp_kqv attention.layer_norm_epsilon attention.layer_norm_rms_epsilon
  attention.group_norm_epsilon attention.scale attention.output_scale attention.value_scale attention.temperature_scale
  attention.compress_rope_freq_base hyper_connection.epsilon rope.freq_base rope.freq_base_swa rope.scale_linear
  rope.scaling.factor rope.scaling.alpha rope.scaling.attn_factor rope.scaling.yarn_log_multiplier rope.scaling.yarn_ext_factor
  rope.scaling.yarn_attn_factor rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow kda.gate_lower_bound`)

export const flagKeys = words(`
  use_parallel_residual expert_weights_norm swin_norm skip_loop_final_norm attention.causal rope.scaling.finetuned ssm.dt_b_c_rms
  kda.safe_gate norm_before_residual norm_before_fc`)

export const textKeys = words('tensor_data_layout hidden_activation rope.scaling.type')

export const arrayKeys = words(`
  deepstack_mapping attention.indexer.types attention.compress_ratios attention.recurrent_layers attention.rope_pattern ple.layers ple.layer_multipliers
  ple.head_offsets ple.head_vocab_sizes rope.dimension_sections target_layers adapters.token_ids_activate
  adapters.token_ids_substitute`)

const tokenIds = words(
  'bos eos eot eom unknown seperator padding cls mask fim_pre fim_suf fim_mid fim_pad fim_rep fim_sep prefix suffix middle',
)

export const tokenIdKeys = tokenIds.map(name => `tokenizer.ggml.${name}_token_id`)

export const vocabularyFlagKeys = words(
  'add_bos_token add_eos_token add_sep_token add_space_prefix remove_extra_whitespaces normalizer.lowercase normalizer.strip_accents',
).map(name => `tokenizer.ggml.${name}`)

export const vocabularyModels = words('llama gpt2 bert t5 rwkv plamo2 hybriddna no_vocab none')

export const preTokenizers = words(`
  default llama3 llama-bpe deepseek-llm deepseek-coder deepseek-v3 falcon falcon3 mpt starcoder gpt-2 jina-es refact command-r qwen2 qwen35
  stablelm2 olmo dbrx smaug-bpe poro-chat chatglm-bpe viking jais jais2 tekken smollm codeshell bloom exaone exaone4 exaone-moe chameleon minerva-7b
  gpt-4o llama4 superbpe trillion bailingmoe seed-coder hunyuan hunyuan-dense kimi-k2 grok-2 afmoe minimax-m2 gemma4 a.x-4.0 mellum`)

/** Of llama.cpp's v0.4.0, those that keep a cache and write text. */
export const architectures = words(`
  llama llama4 deci falcon grok gpt2 gptj gptneox mpt baichuan starcoder refact bloom stablelm qwen qwen2 qwen2moe qwen2vl qwen3
  qwen3moe qwen3next qwen3vl qwen3vlmoe qwen35 qwen35moe qwen4exp phi2 phi3 phimoe plamo plamo2 plamo3 codeshell orion internlm2
  minicpm minicpm3 gemma gemma2 gemma3 gemma3n gemma4 starcoder2 mamba mamba2 jamba falcon-h1 xverse command-r cohere2 cohere2moe
  dbrx olmo olmo2 olmoe muse-glimmer openelm arctic deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4 chatglm glm4 glm4moe
  glm-dsa bitnet jais jais2 nemotron nemotron_h nemotron_h_moe exaone exaone4 exaone-moe rwkv6 rwkv6qwen2 rwkv7 arwkv7 granite
  granitemoe granitehybrid graniteswitch granite_swa chameleon plm bailingmoe bailingmoe2 bailingmoe3 dots1 dots3note arcee afmoe
  laguna ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 smollm3 gpt-oss lfm2 lfm2moe smallthinker seed_oss
  grovemoe apertus minimax-01 minimax-m2 minimax-m3 cogvlm pangu-embedded mistral3 mistral4 paddleocr mimo2 step35 maincoder
  kimi-linear kimi-k3 talkie mellum nanbeige`)
