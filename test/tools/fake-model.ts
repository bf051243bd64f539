import type {
  NativeEmbedding,
  NativeEmbedRequest,
  NativeEvent,
  NativeJob,
  NativeModel,
  NativeModelInfo,
  NativeSequence,
  NativeSequenceOptions,
  NativeStream,
} from '../../lib/engine/native.js'
import type { ModelOptions } from '../../lib/index.js'
import { Model } from '../../lib/model/model.js'
import { parseModelOptions } from '../../lib/model/parse-options.js'

// What the typed layer does by itself, on an engine of a few lines: one token a character, replies as given.

export const chatML =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

export const info: NativeModelInfo = {
  description: 'fake',
  parameters: 1,
  sizeBytes: 1,
  layers: 1,
  trainedLength: 4096,
  vocabularySize: 100_000,
  hasTokenizer: true,
  hasEncoder: false,
  hasDecoder: true,
  isRecurrent: false,
  isHybrid: false,
  isDiffusion: false,
  hasPositions: true,
  slidingWindow: 0,
  chatTemplate: chatML,
  bosToken: undefined,
  bosText: '',
  eosText: '',
  specialTokens: ['<|im_start|>', '<|im_end|>'],
}
/** What it answers, unless told otherwise. */
export const reply = 'abcdef'
const coded = (code: string) => Object.assign(new Error(code), { code })

export class FakeModel implements NativeModel {
  readonly cells = 0
  readonly loaded = true
  readonly sequences = new Set<FakeSequence>()
  /** Each sequence that was ever opened. */
  readonly opened: FakeSequence[] = []
  closed = false

  constructor(
    readonly info: NativeModelInfo,
    private readonly maxSequences: number,
    private readonly waits: boolean,
    readonly answers: readonly string[],
  ) {}

  /** Which answer comes next; the last one ever after. */
  #next = 0
  nextAnswer(): string {
    return this.answers[Math.min(this.#next++, this.answers.length - 1)]!
  }

  openSequence(options: NativeSequenceOptions): FakeSequence {
    if (!this.waits && this.sequences.size >= this.maxSequences) throw coded('NO_SEQUENCE_LEFT')
    const sequence = new FakeSequence(this, { ...options })
    this.sequences.add(sequence)
    this.opened.push(sequence)
    return sequence
  }

  tokenize(text: string): Int32Array {
    if (text.includes('\u2014')) throw coded('TOKENIZE_FAILED')
    return Int32Array.from(text, character => character.charCodeAt(0))
  }

  async tokenizeLater(text: string): Promise<Int32Array> {
    return this.tokenize(text)
  }

  detokenize(tokens: Int32Array): string {
    return String.fromCharCode(...tokens)
  }

  impossibleTrigger(): number {
    return -1
  }

  embed({ texts }: NativeEmbedRequest): NativeEmbedding {
    return { promise: Promise.resolve(texts.map(text => Float32Array.of(text.length))), abort: () => {} }
  }

  async releaseEmbedder(): Promise<void> {}

  async close(): Promise<void> {
    this.closed = true
  }
}

export class FakeSequence implements NativeSequence {
  seen = 0
  evicted = 0
  /** All that was fed and not taken back, evicted or not, as text. */
  text = ''
  /** Where turns were said to begin, in `text`. */
  readonly turns: number[] = []
  /** What was asked for beside replies. */
  readonly jobs: string[] = []
  busy = false
  closed = false
  /** What needs weights fails by this code. What was given belongs to the conversation all the same. */
  fails: string | undefined
  /** As where memory runs out in the midst: what fails has been done. */
  failsLate = false

  constructor(
    readonly model: FakeModel,
    readonly options: NativeSequenceOptions,
  ) {}

  /** What the cache holds. */
  get kept(): string {
    const { sinks } = this.options
    return this.text.slice(0, sinks) + this.text.slice(sinks + this.evicted)
  }

  fork(): FakeSequence {
    const { seen, evicted, text } = this
    return Object.assign(this.model.openSequence({ ...this.options }), { seen, evicted, text })
  }

  start(job: NativeJob): NativeStream {
    if (this.closed || this.model.closed) throw coded('CLOSED')
    if (this.busy) throw coded('BUSY')
    if (job.type !== 'generate') return this.edit(job)
    const { tokens, maxTokens } = job
    for (const turn of job.turns ?? []) this.turns.push(this.seen + turn)
    this.add(String.fromCharCode(...tokens))
    if (this.fails !== undefined) return this.lastEvent(this.fails)
    this.busy = true
    const before = this.seen
    const answer = this.model.nextAnswer()
    let reason: 'end' | 'length' | 'abort' = maxTokens > 0 && answer.length >= maxTokens ? 'length' : 'end'
    const queue: (() => NativeEvent | null)[] = [
      () => ({ type: 'prefill', done: tokens.length, total: tokens.length }),
      () => this.evict(),
    ]
    for (const text of answer.slice(0, maxTokens || undefined)) {
      queue.push(
        () => null,
        () => {
          this.add(text)
          return { type: 'text', text }
        },
        () => this.evict(),
      )
    }
    queue.push(() => {
      this.busy = false
      const { seen: seenTokens, evicted: evictedTokens } = this
      const counts = { seenTokens, evictedTokens, cachedTokens: seenTokens - evictedTokens }
      return {
        type: 'finish',
        reason,
        promptTokens: tokens.length,
        reusedTokens: 0,
        completionTokens: this.seen - before,
        promptMs: 1,
        generationMs: 1,
        ...counts,
      }
    })
    return {
      take: () => queue.shift()?.() ?? null,
      wait: callback => void setImmediate(callback),
      cancel: () => {
        reason = 'abort'
        queue.splice(0, queue.length - 1)
      },
    }
  }

  private edit(job: NativeJob): NativeStream {
    if (job.type === 'append' || job.type === 'add') this.add(String.fromCharCode(...job.tokens))
    else if (!['cut', 'readTokens', 'replaceSinks'].includes(job.type)) throw coded('INVALID_OPTION')
    this.jobs.push(job.type)
    let code = job.type === 'readTokens' ? undefined : this.fails
    if (code !== undefined && !this.failsLate) return this.lastEvent(code)
    if (job.type === 'cut') {
      if (job.keep > 0 && this.evicted > 0 && job.keep <= this.options.sinks + this.evicted) code = 'EVICTED'
      else {
        this.text = this.text.slice(0, job.keep)
        this.seen = job.keep
        if (job.keep === 0) this.evicted = 0
      }
    } else if (job.type === 'replaceSinks') {
      const { options } = this
      this.text = String.fromCharCode(...job.tokens) + this.text.slice(options.sinks)
      this.seen = this.text.length
      options.window -= job.tokens.length - options.sinks
      options.sinks = job.tokens.length
      this.evict()
    }
    return this.lastEvent(code)
  }

  /** Of a job that has no others: that it has failed, or is done. */
  private lastEvent(code?: string): NativeStream {
    const { seen: seenTokens, evicted: evictedTokens } = this
    const counts = { seenTokens, evictedTokens, cachedTokens: seenTokens - evictedTokens }
    let last: NativeEvent | null =
      code !== undefined
        ? { type: 'error', code, message: code, ...counts }
        : {
            type: 'finish',
            reason: 'done',
            tokens: Int32Array.from(this.kept, each => each.charCodeAt(0)),
            promptTokens: 0,
            reusedTokens: 0,
            completionTokens: 0,
            promptMs: 0,
            generationMs: 0,
            ...counts,
          }
    return { take: () => [last, (last = null)][0]!, wait: callback => void setImmediate(callback), cancel: () => {} }
  }

  private add(text: string): void {
    this.text += text
    this.seen += text.length
  }

  private evict(): NativeEvent | null {
    const { policy, sinks, window } = this.options
    const tokens = policy === 'dense' ? 0 : Math.max(0, this.seen - this.evicted - sinks - window)
    this.evicted += tokens
    return tokens === 0 ? null : { type: 'evict', tokens, total: this.evicted }
  }

  close(): void {
    this.closed = true
    this.model.sequences.delete(this)
  }
}

export function fakeModel(
  changes: Partial<NativeModelInfo> = {},
  options: ModelOptions = {},
  ...answers: string[]
): { model: Model; native: FakeModel } {
  const parsed = parseModelOptions({ onWarning: () => {}, ...options })
  const native = new FakeModel(
    { ...info, ...changes },
    parsed.maxSequences,
    parsed.whenFull === 'wait',
    answers.length === 0 ? [reply] : answers,
  )
  const header = {
    path: '/fake.gguf',
    architecture: 'fake',
    contextLength: 4096,
    metadata: new Map(),
    tensors: new Set<string>(),
    shapes: new Map(),
    hasLearnedPositions: false,
    sizeBytes: 1,
    tokensPosition: 0,
    parameters: 1,
    quantization: 'F32',
    weightBytes: { layers: [], output: 0, total: 0 },
    splitCount: 1,
  }
  return {
    model: new Model(native, header, parsed, {
      device: {
        backend: 'CPU',
        name: 'a processor',
        memory: { free: 0, total: 0 },
        layers: { offloaded: 0, total: 1 },
      },
      notices: [],
      release: 'fake',
    }),
    native,
  }
}

/** Fails instead of waiting forever. */
export function soon<T>(work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('still waiting')), 300_000).unref()),
  ])
}
