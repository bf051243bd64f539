import type { ModelProgress } from '../hub/progress.js'
import type { ChatMessage } from '../messages.js'
import type { StandardSchema } from '../structured/schema.js'
import type { JsonSchema, ToolChoice } from '../tools/tool-definitions.js'
import type { Tools } from '../tools/tools.js'
import type { SamplingOptions } from './sampling.js'

export type {
  AdaptivePOptions,
  DryOptions,
  DynamicTemperatureOptions,
  MirostatOptions,
  SamplingOptions,
  XtcOptions,
} from './sampling.js'

/** The model's file has been found, and llama.cpp is reading it. */
export interface ReadProgress {
  stage: 'read'
  /** How much of it, from 0 to 1. */
  share: number
}

/** How far `loadModel` has come: first the download, if there is one, then the reading of the file. */
export type LoadProgress = ModelProgress | ReadProgress

/** One line of llama.cpp's log. */
export interface LogEntry {
  level: 'debug' | 'info' | 'warn' | 'error'
  /** Without the line's end. */
  text: string
}

/** A LoRA adapter: low-rank changes of a model's weights. */
export interface AdapterOptions {
  /** A GGUF file of the type `adapter`: a path, or an `hf:` reference as for models. */
  path: string
  /** How much of the change: 0 nothing, 1 all of it, as trained; -100 to 100. Default: 1. */
  scale?: number | undefined
}

/** What `loadModel` takes. The sizes are those of the one llama.cpp context that all chats of this model share. */
export interface ModelOptions {
  /**
   * Where the model runs. `'auto'` takes the best back end that is installed and works: Metal, CUDA, Vulkan, else the
   * CPU, and then `onWarning` tells why where there is a GPU. A back end that is named is required (GPU_UNAVAILABLE).
   * Each is tried in a child process first, once for a driver. `false`: the CPU alone. Default: `'auto'`.
   */
  gpu?: false | 'auto' | 'metal' | 'cuda' | 'vulkan' | undefined
  /**
   * How many of the model's layers go to the GPU, 0 or more, the output counted as one. `'auto'`: as many as fit into
   * its free memory, beside the cache and the memory for computing. Without a GPU it does nothing. Default: `'auto'`.
   */
  gpuLayers?: number | 'auto' | undefined
  /**
   * Threads that compute, 1 to four times as many as the operating system offers (16 are always allowed, 512 at most).
   * Default: what the operating system offers this process, at most 16. Fewer are used while measurement finds that
   * faster, for example while other programs keep the cores busy (llama.cpp's threads wait for each other by spinning).
   * The last bits of a logit may depend on their number: give one where they matter.
   */
  threads?: number | undefined
  /**
   * Tokens decoded at once while reading a prompt, 16 to 4,096. A reply can be left after each such batch. More takes
   * more memory and is faster on a GPU; on a CPU hardly so. Default: 128.
   */
  batchSize?: number | undefined
  /**
   * Tokens that the cache of this model holds, over all its chats: at least the sum of their sinks and windows, and
   * some tokens to work with: `batchSize` + 65 for the smallest. Default: what the first chat needs.
   */
  cacheTokens?: number | undefined
  /**
   * Which llama.cpp to run on: `'built'` the latest that `streaming-llm build` has made on this machine, else the
   * folder of one. A process runs on one: asking for another later is refused (LIBRARY_MISMATCH). Default: what the
   * environment variable STREAMING_LLM_LIBRARIES says in the same way; without it the prebuilt ones of the package.
   */
  libraries?: string | undefined
  /**
   * Servers that the model is spread over, as `'host:port'`, 1 to 16. Each runs the ggml-rpc-server that `streaming-llm
   * build --rpc` builds, and the libraries here must be of the same build. The layers go to the servers and, unless
   * `gpu` is false, to the GPUs of this machine, by the memory that they have free. A server that is not there is
   * refused (RPC_UNAVAILABLE); **one that is lost later ends this process**, as llama.cpp cannot go on without it.
   * Nothing is encrypted, and a server trusts every client: use it on networks of your own only.
   */
  rpc?: string[] | undefined
  /**
   * Chats and sequences that have a slot in the cache at a time, 1 to 64. Any number may be open: one that is idle
   * gives its slot to one that is asked something, and gets it back without decoding anything again. Default: 8.
   */
  maxSequences?: number | undefined
  /**
   * What happens when every slot in the cache is taken and no chat is idle. `'wait'`: turns wait, in the order of
   * asking. `'refuse'`: no more chats can be opened than there are slots (NO_SEQUENCE_LEFT). Default: `'wait'`.
   */
  whenFull?: 'wait' | 'refuse' | undefined
  /**
   * Where the cache of a chat goes that gives up its slot: `'memory'`, or files in the system's temporary folder.
   * Default: `'memory'`.
   */
  swap?: 'memory' | 'disk' | undefined
  /**
   * Milliseconds without any work after which the weights and the cache are freed, 1 or more. Chats stay open: their
   * tokens are kept, and what the cache held of them goes where `swap` says. The next turn loads the model again, and
   * continues exactly where it was. Loading takes as long as at first, or less while the system still has the file in
   * memory. Not with `rpc`. Default: never.
   */
  unloadAfter?: number | undefined
  /**
   * The type of the cached keys and values: a smaller one takes less memory and rounds more. `'q8_0'` and `'q4_0'`
   * need flash attention. Default: `'f16'`.
   */
  kvType?: 'f32' | 'f16' | 'q8_0' | 'q4_0' | undefined
  /**
   * Flash attention: less memory and, on most devices, faster. It rounds an `'f32'` cache to 16 bits on the way.
   * `true` and `false` mean `'on'` and `'off'`. Default: `'auto'`, llama.cpp's own choice for the device.
   */
  flashAttention?: 'auto' | 'on' | 'off' | boolean | undefined
  /**
   * Map the model's file into memory, where the system reads of it what is needed, and several processes share it. A
   * file that changes meanwhile is found out before each job (MODEL_CHANGED), and not within one: see docs/models.md.
   * `false`: read it into memory of this process, after which the file is not needed any more. Default: true.
   */
  mmap?: boolean | undefined
  /**
   * Load the file in a child process first, so that a file that lies about itself cannot end this one. The child has
   * two minutes, and a second for each 10 MB. Default: false.
   */
  probe?: boolean | undefined
  /** Gives up downloading and loading when it fires. */
  signal?: AbortSignal | undefined
  /** Called while the file is downloaded and read, at most some times a second. */
  onProgress?: ((progress: LoadProgress) => void) | undefined
  /** Called with each line of llama.cpp's log, which goes nowhere otherwise. */
  onLog?: ((entry: LogEntry) => void) | undefined
  /** Called with notices (a missing driver, a rounded cache). Default: `process.emitWarning`. */
  onWarning?: ((message: string) => void) | undefined
  /** A chat template (Jinja) for all chats of this model. Default: the one in the model's file. */
  chatTemplate?: string | undefined
  /**
   * LoRA adapters for all chats of this model, at most 16, whose changes add up. Each is checked against the model
   * (ADAPTER_INVALID). They cost some speed and memory; merged into the weights they would not. Default: none.
   */
  adapters?: AdapterOptions[] | undefined
  /**
   * The SHA-256 of the model's file, 64 hexadecimal digits (of a split model: of its first part); another file is
   * refused. Default: what its source says.
   */
  sha256?: string | undefined
}

/** Which tokens stay in the cache: StreamingLLM's attention sinks and rolling window (Xiao et al. 2023). */
export interface PolicyOptions {
  /**
   * `'streaming'` keeps the sinks and the latest tokens, without end. The others are what the paper compares it with,
   * at the same number of tokens, sinks + window. `'dense'` keeps everything, and fails when it is full. `'window'`
   * keeps the latest tokens without sinks; its text breaks down when the first token leaves. `'recompute'` decodes the
   * latest tokens again for each new token, which is right and slow. Default: `'streaming'`.
   */
  policy?: 'streaming' | 'dense' | 'window' | 'recompute' | undefined
  /**
   * Attention sinks: how many tokens from the very start stay for good, 0 or more. The paper's `start_size`.
   * Default: 4, or the system prompt where that is pinned.
   */
  sinks?: number | undefined
  /**
   * The rolling window: how many of the latest tokens stay besides the sinks, 1 or more. The paper's `recent_size`.
   * Default: the trained length or 4,096, whichever is less, without the sinks and some tokens to work with.
   */
  window?: number | undefined
  /**
   * After how many evicted tokens the sinks are moved up to the window again, 1 or more. 1 is the paper to the
   * letter; more is faster and differs by little. Default: half of the window, at most 256.
   */
  reanchorEvery?: number | undefined
  /**
   * The position, counted in tokens from the start, after which the kept tokens are decoded again from 0, which
   * keeps positions precise. Rare by default.
   */
  rebaseAfter?: number | undefined
}

/** What `createChat` takes. Sampling options given here are the defaults of each reply. */
export interface ChatOptions<Arguments = any> extends PolicyOptions, SamplingOptions {
  /** The system prompt. Default: none, or the model's own. */
  system?: string | undefined
  /**
   * Keep the system prompt for good, as the sinks; `true` also where it is longer than `pinShare` allows. Default: true
   * when `sinks` is not given and `pinShare` allows it; where it is not pinned, `onWarning` hears of it.
   */
  pinSystem?: boolean | undefined
  /** The share of the cache (sinks and window) that a pinned system prompt may have, over 0 to 1. Default: 0.25. */
  pinShare?: number | undefined
  /**
   * What leaves when the window is full. `'turn'`: whole turns, the oldest first, so that the cache always holds the
   * system prompt and whole turns. A turn that is larger than the window leaves by tokens. `'token'`: the oldest token,
   * as in the paper. Other policies than `'streaming'` know tokens alone, and so do, with a warning, templates that
   * change earlier turns when later ones come. Default: `'token'`.
   */
  evict?: 'token' | 'turn' | undefined
  /** The conversation so far, oldest first, of any length. Default: none. */
  messages?: ChatMessage[] | undefined
  /**
   * How much of `messages` is decoded: what sinks and window hold of it (`'window'`), or all, as the paper does
   * (`'all'`), so that what stays has seen what left. Default: `'window'`.
   */
  restore?: 'window' | 'all' | undefined
  /**
   * Tools that the model may call. The template describes them to the model if it can, else the system prompt does.
   * They are pinned with it. Tools with `execute` are run, and the model continues with their results. Default: none.
   */
  tools?: Tools<Arguments> | undefined
  /**
   * The reasoning of models that think before they answer comes as events of its own, and stays out of `content`.
   * `'template'`: how long it stays in the cache is as the model's template has it, for most until the next turn.
   * `'keep'`: as long as any text. `'drop'`: until the next turn. `'text'`: it is text like any other. Default:
   * `'template'`.
   */
  reasoning?: 'template' | 'keep' | 'drop' | 'text' | undefined
  /** What `chat.messages` holds: the messages still in the window, or all of them for good. Default: `'window'`. */
  keepMessages?: 'window' | 'all' | undefined
  /** A chat template (Jinja) for this chat. Default: the model's. */
  chatTemplate?: string | undefined
}

/** What `restoreChat` takes: sampling options and a template in place of those that were saved. */
export interface RestoreOptions<Arguments = any> extends SamplingOptions {
  /**
   * A chat template (Jinja). Default: the one that was saved, else the model's. With another one than it was saved with
   * the messages are decoded again.
   */
  chatTemplate?: string | undefined
  /**
   * The tools of the chat, which are not saved: the same ones, to go on as if nothing had been. Others, or none,
   * replace those that the model knew: by other sinks where the system prompt is pinned, else the messages are decoded
   * again. Default: none.
   */
  tools?: Tools<Arguments> | undefined
}

/** What `tokenize` and `detokenize` take. */
export interface TextOptions {
  /** Texts of special tokens, such as `<|im_end|>`, stand for these tokens. Default: false. */
  special?: boolean | undefined
}

/** What `embed` takes. */
export interface EmbedOptions {
  /**
   * How the last layer's states, one for each token, become the vector: their mean (`'mean'`), the last token's
   * (`'last'`), or the first token's (`'cls'`). In a model that generates text, the first token has seen nothing else.
   * Default: what the model's file says, else `'mean'`.
   */
  pooling?: 'mean' | 'last' | 'cls' | undefined
  /** Make each vector's length 1. Default: true. */
  normalize?: boolean | undefined
  /** Gives up when it fires; `embed` then rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** What one reply takes. */
export interface GenerateOptions extends SamplingOptions {
  /**
   * A reply has at most so many tokens, 1 or more; where tools are run, each round has a reply of its own. Default: no
   * limit.
   */
  maxTokens?: number | undefined
  /**
   * The reply ends before any of these texts: at most 16 of them, each of at most 256 bytes in UTF-8. Default: none.
   */
  stop?: string | string[] | undefined
  /**
   * Milliseconds for the whole turn, more than 0, from the first event that is asked for. They include waiting for
   * other turns and for a slot in the cache, and the run time of tools. What has come by then stays; the reason is
   * `time`. Default: no limit.
   */
  timeLimit?: number | undefined
  /** Ends the reply when it fires. */
  signal?: AbortSignal | undefined
  /** Where several chats wait for a slot in the cache, the one with the highest priority comes first. Default: 0. */
  priority?: number | undefined
  /**
   * Report the log-probability of each token of the reply in the `text` events, and of this many of the most likely
   * tokens at its position: 0 to 100. They are the model's own, before any sampling. Default: off.
   */
  logprobs?: number | undefined
  /**
   * A grammar that the reply must follow, in llama.cpp's GBNF, of at most 1 MB; `root` is where it begins. With
   * `triggers`, the reply is free until the first of these texts, and the grammar begins there. It must be able to
   * begin with each of them (INVALID_OPTION). One that leaves ever more ways open ends the reply (GRAMMAR_TOO_COMPLEX)
   * once a token takes more than two million steps, a quarter of a second. Default: none.
   */
  grammar?: string | { source: string; triggers?: string[] | undefined } | undefined
  /**
   * How the reply begins, in the words of the caller: the model goes on from there. Not with a grammar. Default:
   * nothing.
   */
  startWith?: string | undefined
  /**
   * The reply is JSON that fulfils a schema: a JSON schema, a schema of a library that can write itself as one (Zod
   * 4.2, ArkType; Standard Schema), or `'json'` for any object. `ask()` and `candidates()` return it as `value`,
   * checked by that library; `stream()` has the text alone, which the library does not check. Which keywords there are,
   * docs/structured-output.md says; others are refused by name. Give enough `maxTokens`. With tools, a reply is either
   * calls or this, and after `maxToolRounds` it is this. Not together with `grammar`. Default: text.
   */
  responseFormat?: JsonSchema | StandardSchema | 'json' | undefined
  /**
   * Whether the reply may call tools (`'auto'`), must not (`'none'`), must call at least one (`'required'`) or this
   * one. Default: `'auto'`.
   */
  toolChoice?: ToolChoice | undefined
  /** How often in one turn tools are run and the model goes on, 1 to 1,000. Default: 8. */
  maxToolRounds?: number | undefined
  /**
   * A turn that is left, runs out of time or fails before anything of its reply has been delivered leaves no trace:
   * neither in `messages` nor in the cache. With true, the input stays there, with an empty reply, and leaving waits
   * until it has been tokenized. A turn that is left while it waits for another one leaves no trace. A chat that has a
   * few of these may answer nothing from then on: models go on as they began. Of a sequence, it changes nothing.
   * Default: false.
   */
  keepUnanswered?: boolean | undefined
  /**
   * Speculation without a draft model. If the latest tokens have occurred before in the conversation, what followed
   * them there is decoded along with the next token, and kept as far as the sampler chooses the same. The last 65,536
   * tokens are searched, evicted ones included, from the first reply with this option on. Faster where a reply repeats
   * what was said, such as a text to be edited; tries nothing while that would not pay. Tokens are chosen as without
   * it, by the same draws. But a batch of several tokens rounds its logits a little differently than single ones. Once
   * the window is full, a batch also still sees the few tokens that leave with it. So a reply need not be the same to
   * the letter, or repeatable: that is why it is off by default. Recurrent and hybrid models and the policy `recompute`
   * do without it, and so does `reanchorEvery: 1` while tokens are being evicted. Default: false.
   */
  speculation?: boolean | undefined
}
