import { JobRunner } from '../../../lib/engine/job-runner.js'
import type {
  NativeJob,
  NativeSampling,
  NativeSequenceOptions,
  NativeTokenProbability,
} from '../../../lib/engine/native.js'
import { loadModel, type Model } from '../../../lib/index.js'
import { Fault } from './fault.js'

/** What the model thinks of tokens, and of what follows them. */
export interface Thought {
  /** Of the tokens that were asked about: the natural logarithms of their probabilities. */
  scores: number[]
  /** The likeliest token next, with the other likely ones. What comes after it may push something out. */
  next: NativeTokenProbability[]
}

/** What comes next is compared as far as it is among so many likeliest tokens in both. */
const alternatives = 8
/** Fresh sequences have room for that many tokens. */
export const maxTokens = 1_500

/** The model once more, in a cache of its own, where what a conversation's cache holds is looked at and compared. */
export class Reference {
  readonly #model: Model
  readonly #sampling: NativeSampling

  private constructor(model: Model) {
    this.#model = model
    const ends = Array.from(new Set([model.nativeInfo.eosText, '<|im_end|>'])).flatMap(text =>
      Array.from(model.tokenize(text, { special: true })),
    )
    this.#sampling = {
      ...greedy,
      biasTokens: Int32Array.from(ends),
      biasValues: Float32Array.from(ends, () => -Infinity),
    }
  }

  /** One for each model, which lasts. */
  static of(path: string): Promise<Reference> {
    const known = references.get(path) ?? Reference.#open(path)
    references.set(path, known)
    return known
  }

  static async #open(path: string): Promise<Reference> {
    return new Reference(
      await loadModel(path, {
        gpu: false,
        threads: 1,
        kvType: 'f32',
        flashAttention: 'off',
        batchSize: 128,
        maxSequences: 1,
        onWarning: () => {},
      }),
    )
  }

  /** What follows a saved sequence. */
  async saved(state: Uint8Array, sizes: NativeSequenceOptions): Promise<Thought> {
    try {
      return await this.#think(sizes, [{ type: 'restore', state, tokensAlone: false }])
    } catch (error) {
      throw new Fault('saved', `what was saved cannot be gone on with: ${String(error)}`)
    }
  }

  /**
   * What a new sequence makes of the last tokens behind the others, and what follows all of them. It is given so many
   * at a time, and as many as the last time from then on.
   */
  fresh(tokens: Int32Array, scored = 0, parts: readonly number[] = [maxTokens]): Promise<Thought> {
    const jobs: NativeJob[] = []
    for (let from = 0; from < tokens.length - scored; ) {
      const to = Math.min(from + (parts[jobs.length] ?? parts.at(-1)!), tokens.length - scored)
      jobs.push({ type: 'append', tokens: tokens.subarray(from, to) })
      from = to
    }
    if (scored > 0) jobs.push({ type: 'score', tokens: tokens.subarray(tokens.length - scored) })
    return this.#think(
      {
        policy: 'dense',
        sinks: 0,
        window: maxTokens + 64,
        reanchorEvery: 1,
        rebaseAfter: 2 ** 30,
        verify: false,
        firstPosition: 0,
      },
      jobs,
    )
  }

  async #think(sizes: NativeSequenceOptions, jobs: NativeJob[]): Promise<Thought> {
    const native = this.#model.sequences.open({ ...sizes, verify: true })
    const thought: Thought = { scores: [], next: [] }
    const generate: NativeJob = {
      type: 'generate',
      tokens: new Int32Array(),
      maxTokens: 1,
      timeLimit: 0,
      stop: [],
      sampling: this.#sampling,
      alternatives,
    }
    try {
      const runner = new JobRunner(native)
      for (const job of [...jobs, generate]) {
        for await (const event of runner.run(job)) {
          if (event.type === 'scores') thought.scores.push(...event.values)
          if (event.type === 'text') thought.next.push(...(event.tokens ?? []))
        }
      }
    } finally {
      native.close()
    }
    return thought
  }

  close(): Promise<void> {
    return this.#model.close()
  }
}

const references = new Map<string, Promise<Reference>>()

export async function closeReferences(): Promise<void> {
  for (const reference of references.values()) await (await reference).close()
  references.clear()
}

const greedy: NativeSampling = {
  temperature: 0,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  penaltyTokens: 64,
  dryMultiplier: 0,
  dryBase: 1.75,
  dryAllowedLength: 2,
  dryTokens: 256,
  dryBreakers: ['\n'],
  seed: 1,
}

/** How far the logarithms of two thoughts about the same tokens are apart, at most. */
export function farthest(one: Thought, other: Thought): number {
  const known = new Map(other.next[0]?.likeliest.map(({ token, logProbability }) => [token, logProbability]))
  const next =
    one.next[0]?.likeliest.map(({ token, logProbability }) =>
      Math.abs(logProbability - (known.get(token) ?? logProbability)),
    ) ?? []
  return Math.max(0, ...one.scores.map((score, i) => Math.abs(score - other.scores[i]!)), ...next)
}

/** What does not agree between two thoughts, if the logarithms may differ by so much. */
export function disagreement(one: Thought, other: Thought, bound: number): string | undefined {
  const far = (a: number, b: number) => !(Math.abs(a - b) <= bound)
  for (const [i, score] of one.scores.entries()) {
    if (far(score, other.scores[i]!))
      return `token ${i - one.scores.length} of the reply has log-probability ${score}, and ${other.scores[i]} in a fresh sequence`
  }
  const [here, there] = [one.next[0], other.next[0]]
  // A token that is no whole character is told with those that make it one.
  if (here === undefined && there === undefined) return undefined
  if (here === undefined || there === undefined)
    return `${one.next.length} tokens follow, and ${other.next.length} in a fresh sequence`
  for (const { token, logProbability } of here.likeliest) {
    const its = there.likeliest.find(each => each.token === token)
    if (its !== undefined && far(logProbability, its.logProbability))
      return `the next token is ${token} with log-probability ${logProbability}, and ${its.logProbability} in a fresh sequence`
  }
  const [best, second] = there.likeliest
  const clear = best!.logProbability - second!.logProbability > 2 * bound
  if (here.likeliest[0]!.token !== best!.token && clear)
    return `the likeliest next token is ${here.likeliest[0]!.token}, and ${best!.token} in a fresh sequence`
  return undefined
}
