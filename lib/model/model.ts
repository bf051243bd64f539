import { Chat } from '../chat/chat.js'
import { ChatFormat } from '../chat/chat-format.js'
import { type ChatContext, Conversation } from '../chat/conversation.js'
import { IdleChats } from '../chat/idle-chats.js'
import { parseChatOptions, parseGenerateOptions, parseRestoreOptions } from '../chat/parse-options.js'
import { readSavedChat } from '../chat/saved-chat.js'
import type { NativeModel, NativeModelInfo } from '../engine/native.js'
import { Sequence } from '../engine/sequence.js'
import { type TextStream, textStream } from '../engine/text-stream.js'
import { modelClosed, StreamingLLMError } from '../errors.js'
import type { StreamEvent } from '../events.js'
import type { ModelHeader } from '../gguf/check.js'
import { checkValue, describe, reading } from '../options/check.js'
import { nonEmptyString } from '../options/kinds.js'
import {
  type ChatOptions,
  type EmbedOptions,
  type GenerateOptions,
  type ParsedChatOptions,
  type ParsedGenerateOptions,
  type ParsedModelOptions,
  type PolicyOptions,
  parseEmbedOptions,
  parseSequenceOptions,
  type RestoreOptions,
  type SamplingOptions,
  type TextOptions,
} from '../options/parse.js'
import { mergeSampling, samplingPresets } from '../options/sampling.js'
import { throwIfAborted } from '../util/abort.js'
import { Embedder } from './embedder.js'
import { endOf, type FillTokens, fillPrompt, fillTokens, startOf } from './fill.js'
import { type FoundLora, lorasKind } from './lora.js'
import { deepFrozen, fileInfo, type ModelInfo } from './model-info.js'
import { type ModelMemory, modelMemory } from './model-memory.js'
import { ModelTokenizer, maxTextBytes } from './model-tokenizer.js'
import type { ModelDevice } from './place-model.js'
import { SequencePool } from './sequence-pool.js'

/** A loaded model. Made by `loadModel`; chats and sequences of one model share its cache and its batches. */
export class Model {
  /** Where the file is. */
  readonly path: string
  /** GGUF's `general.architecture`, such as `llama`. */
  readonly architecture: string
  /** Tokens that the model was trained on at once. */
  readonly trainedLength: number
  /** Tokens of the vocabulary. */
  readonly vocabularySize: number
  /** In llama.cpp's words: architecture, size, quantization. */
  readonly description: string
  /** What it runs on. */
  readonly device: ModelDevice
  /** @internal */
  readonly nativeInfo: NativeModelInfo
  /** @internal */
  readonly tokenizer: ModelTokenizer
  /** @internal */
  readonly sequences: SequencePool
  /** @internal Chats of `streamChat` between two calls. */
  readonly idleChats: IdleChats
  /** How this model remembers, and so how the streaming policy works on it. */
  readonly memory: ModelMemory
  /** @internal What the model's file says about sampling. */
  readonly samplingPresets: SamplingOptions
  readonly #native: NativeModel
  readonly #header: ModelHeader
  readonly #options: ParsedModelOptions
  readonly #warned = new Set<string>()
  readonly #close: () => Promise<void>
  readonly #loras: readonly FoundLora[]
  readonly #embedder: Embedder
  #closed: Promise<void> | undefined
  readonly #closing = new AbortController()
  #info: ModelInfo | undefined

  /** @internal */
  constructor(
    loaded: NativeModel,
    header: ModelHeader,
    options: ParsedModelOptions,
    {
      device,
      notices,
      release,
      loras = [],
    }: { device: ModelDevice; notices: readonly string[]; release: string; loras?: readonly FoundLora[] },
    close: () => Promise<void> = () => loaded.close(),
  ) {
    this.#native = loaded
    this.#embedder = new Embedder(loaded, options.unloadAfter)
    this.#close = close
    this.#loras = loras
    this.#header = header
    this.#options = options
    this.nativeInfo = loaded.info
    this.path = header.path
    this.architecture = header.architecture
    this.trainedLength = this.nativeInfo.trainedLength
    this.vocabularySize = this.nativeInfo.vocabularySize
    this.description = this.nativeInfo.description
    this.device = device
    this.memory = modelMemory(loaded.info, header)
    this.samplingPresets = samplingPresets(header.metadata)
    this.idleChats = new IdleChats(options.maxSequences)
    this.tokenizer = new ModelTokenizer(loaded, this.#closing.signal)
    this.sequences = new SequencePool({
      native: loaded,
      header,
      options,
      memory: this.memory,
      cacheKind: `llama.cpp ${release}, ${options.kvType}, flash attention ${options.flashAttention}${lorasKind(loras)}`,
      isOffloaded: device.layers.offloaded > 0,
      closing: this.#closing.signal,
      releaseIdle: () => this.idleChats.releaseOldest(),
    })
    for (const notice of notices) this.#warn(notice)
  }

  /**
   * All that is known of it: what its file says, how it remembers, what a chat does by default, what it runs on.
   * Frozen.
   */
  get info(): ModelInfo {
    const { nativeInfo, memory, device } = this
    return (this.#info ??= deepFrozen({
      ...fileInfo(this.#header, memory, nativeInfo, () => this.sequences.limits(parseSequenceOptions({}))),
      device: { ...device, memory: { ...device.memory }, layers: { ...device.layers } },
      adapters: this.#loras.map(({ path, name, scale, rank, tensors, sizeBytes }) => ({
        path,
        name,
        scale,
        rank,
        tensors,
        sizeBytes,
      })),
    }))
  }

  /**
   * Whether the weights are in memory: false once `unloadAfter` has passed, until the next turn, and after `close()`.
   */
  get loaded(): boolean {
    return this.#native.loaded
  }

  /** Most sequences and chats that may be open at once. */
  get maxSequences(): number {
    return this.#options.maxSequences
  }

  /**
   * A conversation that never ends.
   *
   * @throws {StreamingLLMError} WINDOW_TOO_LARGE, NO_SEQUENCE_LEFT, TEMPLATE_MISSING,
   * TEMPLATE_FAILED, UNKNOWN_OPTION, INVALID_OPTION, CLOSED
   */
  createChat<Arguments>(options: ChatOptions<Arguments> = {}): Chat {
    this.#assertOpen()
    const parsed = parseChatOptions(options)
    const context = this.#chatContext(parsed)
    return new Chat(context, Conversation.begin(context))
  }

  /**
   * A chat as `chat.save()` wrote it, with its options; what is given here takes their place. With the same model and
   * kind of cache it goes on as if it had never been saved. Else sinks and window are decoded again, or the messages if
   * the tools or the template differ. `chat.restoredFrom` and a warning say so.
   *
   * @throws {StreamingLLMError} SAVED_CHAT_INVALID for a file that is none or is damaged, and as `createChat`
   */
  async restoreChat<Arguments>(path: string, options: RestoreOptions<Arguments> = {}): Promise<Chat> {
    this.#assertOpen()
    const given = parseRestoreOptions(options)
    const saved = await readSavedChat(checkValue('restoreChat', 'path', path, nonEmptyString))
    const parsed = {
      ...saved.options,
      ...given,
      messages: [],
      sampling: mergeSampling(saved.options.sampling, given.sampling),
    }
    const context = this.#chatContext(parsed)
    const { conversation, from } = await Conversation.restore(context, saved)
    // Where nothing had been decoded, nothing is again.
    if (from.what !== 'cache' && saved.begun)
      this.#warn(`${path}: the cache of this chat is decoded again: ${from.reason}`)
    return new Chat(context, conversation, from)
  }

  #chatContext(options: ParsedChatOptions): ChatContext {
    this.#assertOpen()
    const { tokenizer, sequences, samplingPresets: presets } = this
    const chatTemplate = options.chatTemplate ?? this.#options.chatTemplate ?? this.nativeInfo.chatTemplate
    if (chatTemplate === undefined || chatTemplate === '') {
      throw new StreamingLLMError(
        'TEMPLATE_MISSING',
        `the model ${this.path} has no chat template; give one by the option chatTemplate, or use model.stream() for plain text`,
      )
    }
    const format = new ChatFormat(tokenizer, { ...options, chatTemplate })
    const warn = (message: string) => this.#warn(message)
    const context = { tokenizer, sequences, format, options, presets, warn }
    if (format.template.incremental) return context
    // Where a turn begins is known only of turns that are rendered one by one.
    const byTokens = options.evict === 'turn' ? ', and tokens leave one by one instead of whole turns' : ''
    warn(
      `this chat template changes earlier turns when later ones come, so each turn is decoded again from the first difference on${byTokens}`,
    )
    return { ...context, options: { ...options, evict: 'token' } }
  }

  /**
   * A stream of tokens, below chat.
   *
   * @throws {StreamingLLMError} WINDOW_TOO_LARGE, NO_SEQUENCE_LEFT, UNKNOWN_OPTION,
   * INVALID_OPTION, CLOSED
   */
  createSequence(options: PolicyOptions = {}): Sequence {
    const parsed = parseSequenceOptions(options)
    const limits = this.sequences.limits(parsed)
    const kept = limits.sinks + limits.window
    return new Sequence(this.sequences.open(limits), this.tokenizer, kept, given => this.#parse(given, 'generate'))
  }

  /**
   * Continues a text, on a sequence of its own with the default window. Work starts at the first `next()`; the sequence
   * is closed at the last event, or when the stream is left.
   *
   * @throws {StreamingLLMError} UNKNOWN_OPTION, INVALID_OPTION, CLOSED at once; from the first `next()` on
   * TOKENIZE_FAILED, NO_SEQUENCE_LEFT, POLICY_UNAVAILABLE, OUT_OF_MEMORY, DECODE_FAILED
   */
  stream(prompt: string, options: GenerateOptions = {}): TextStream {
    this.#assertOpen()
    if (typeof prompt !== 'string')
      throw new StreamingLLMError('INVALID_OPTION', `stream: the prompt must be a string, got ${describe(prompt)}`)
    return textStream(this.#continue(() => this.textTokens(prompt), this.#parse(options, 'stream')))
  }

  /**
   * Writes what stands between two texts, such as code before and after the cursor, with a model whose vocabulary has
   * tokens for it. If they are too long for the default window, it sees the end of `prefix` and the start of `suffix`.
   * Up to a quarter of the window is left for the reply. Otherwise as `stream`.
   *
   * @throws {StreamingLLMError} FIM_UNAVAILABLE at once where the vocabulary has no such tokens; and as `stream`
   */
  fill(prefix: string, suffix: string, options: GenerateOptions = {}): TextStream {
    this.#assertOpen()
    for (const [name, text] of [
      ['prefix', prefix],
      ['suffix', suffix],
    ]) {
      if (typeof text !== 'string')
        throw new StreamingLLMError('INVALID_OPTION', `fill: the ${name} must be a string, got ${typeof text}`)
    }
    const parsed = this.#parse(options, 'fill')
    const tokens = fillTokens(this.nativeInfo, this.path)
    return textStream(this.#continue(() => this.#fillPrompt(tokens, prefix, suffix, parsed.maxTokens), parsed))
  }

  #parse(given: GenerateOptions, call: string): ParsedGenerateOptions {
    return parseGenerateOptions(given, this.samplingPresets, call, this.tokenizer.impossibleTrigger)
  }

  #fillPrompt(tokens: FillTokens, prefix: string, suffix: string, maxTokens = Infinity): Int32Array {
    const { sinks, window } = this.sequences.limits(parseSequenceOptions({}))
    const all = sinks + window
    const budget = all - Math.min(maxTokens, Math.floor(all / 4))
    return fillPrompt(
      tokens,
      this.nativeInfo.bosToken,
      this.tokenize(endOf(prefix, budget)),
      this.tokenize(startOf(suffix, budget)),
      budget,
    )
  }

  async *#continue(
    prompt: () => Int32Array,
    options: ParsedGenerateOptions,
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const tokens = prompt()
    const sequence = this.createSequence()
    try {
      for await (const event of sequence.continue(tokens, options)) {
        if (event.type === 'finish') await sequence.close() // its reader may not come back after the last event
        yield event
      }
    } finally {
      await sequence.close()
    }
  }

  /**
   * A vector for each text, in order: what the model makes of it, for comparing texts. The texts are decoded together
   * in batches, beside the chats of this model, in a separate context. It is made at the first call and freed after a
   * minute without calls. Calls queue up; the event loop stays free. At most 65,536 texts in a call, of 67,108,864
   * characters together.
   *
   * @throws {StreamingLLMError} TEXT_TOO_LONG for one of more tokens than the model was trained on, INVALID_OPTION
   * (also for a text without tokens), UNKNOWN_OPTION, TOKENIZE_FAILED, OUT_OF_MEMORY, DECODE_FAILED, CLOSED. Rejects
   * with `signal.reason` when aborted.
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    this.#assertOpen()
    const { pooling = this.#filePooling(), normalize = true, signal } = parseEmbedOptions(options)
    const read = reading('embed', 'texts', () => readTexts(texts))
    throwIfAborted(signal)
    if (read.length === 0) return []
    return this.#embedder.embed(
      { texts: read, pooling, normalize, maxTokens: this.sequences.affordableCells(this.trainedLength) },
      signal,
    )
  }

  /** GGUF's numbers for it. */
  #filePooling(): 'mean' | 'last' | 'cls' {
    const number = this.#header.metadata.get(`${this.architecture}.pooling_type`)
    return number === 2 ? 'cls' : number === 3 ? 'last' : 'mean'
  }

  /**
   * The tokens of a text, without a beginning-of-sequence token. `special`: texts of special tokens, such as
   * `<|im_end|>`, become these tokens; default false. Works at once, so a very long text holds up the event loop. At
   * most 64 MB in UTF-8, and at most 1 MB without a place where it can be cut for the tokenizer: a space between two
   * words, or a line break before one.
   *
   * @throws {StreamingLLMError} TOKENIZE_FAILED for text that the vocabulary cannot express, TEXT_TOO_LONG,
   * OUT_OF_MEMORY, UNKNOWN_OPTION, INVALID_OPTION, CLOSED
   */
  tokenize(text: string, options: TextOptions = {}): Int32Array {
    return this.tokenizer.tokenize(text, options)
  }

  /** @internal The tokens of a text from its start: after the bos token where the model has one. */
  textTokens(text: string): Int32Array {
    return this.tokenizer.textTokens(text)
  }

  /**
   * The text of tokens, at most 16,777,216 of them. `special`: control tokens show their names; default false.
   *
   * @throws {StreamingLLMError} INVALID_OPTION for what are no tokens of the vocabulary, TEXT_TOO_LONG for more than
   * 256 MB of text, UNKNOWN_OPTION, CLOSED
   */
  detokenize(tokens: ArrayLike<number>, options: TextOptions = {}): string {
    return this.tokenizer.detokenize(tokens, options)
  }

  /** How many tokens a text has, without a beginning-of-sequence token. Throws as `tokenize`. */
  countTokens(text: string): number {
    return this.tokenize(text).length
  }

  /** Frees everything. Streams in flight end with `CLOSED`. Idempotent. */
  close(): Promise<void> {
    this.#embedder.close()
    this.#closed ??= this.#close()
    this.#closing.abort()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw modelClosed()
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return
    this.#warned.add(message)
    if (this.#options.onWarning !== undefined) this.#options.onWarning(message)
    else process.emitWarning(message, 'StreamingLLMWarning')
  }
}

/** Texts of one call of `embed`. */
const maxTexts = 65_536

function readTexts(texts: readonly string[]): string[] {
  const refuse = (option: string, problem: string) =>
    new StreamingLLMError('INVALID_OPTION', `embed: ${problem}`, { details: { call: 'embed', option } })
  if (!Array.isArray(texts)) throw refuse('texts', `the texts must be an array of strings, got ${describe(texts)}`)
  if (texts.length > maxTexts) throw refuse('texts', `at most ${maxTexts} texts go into one call, got ${texts.length}`)
  let characters = 0
  return Array.from(texts, (text: unknown, i) => {
    if (typeof text !== 'string') throw refuse(`texts[${i}]`, `texts[${i}] must be a string, got ${describe(text)}`)
    characters += text.length
    if (characters > maxTextBytes)
      throw refuse('texts', `the texts may have ${maxTextBytes} characters together; pass them in several calls`)
    return text
  })
}
