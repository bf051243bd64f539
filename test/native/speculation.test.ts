import type { NativeJob, NativeModel, NativeSequence, NativeSequenceOptions } from '../../lib/engine/native.js'
import {
  append,
  attentionFamilies,
  distance,
  learnedFamilies,
  randomTokens,
  recurrentFamilies,
  score,
  withModel,
  withSequence,
} from '../tools/family-runs.js'
import { drain, greedy, read, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { TinyKind } from '../tools/tiny-models.js'

const off: TinyKind[] = recurrentFamilies
const on = [...attentionFamilies, ...learnedFamilies]
/** Room for all that is said. */
const roomy = (kind: TinyKind): Partial<NativeSequenceOptions> => ({
  window: 400,
  reanchorEvery: 16,
  ...(learnedFamilies.includes(kind) && { policy: 'refill' as const }),
})
/** A small window, full after a few tokens, whose sinks move now and then. */
const small = (kind: TinyKind): Partial<NativeSequenceOptions> => ({
  window: 60,
  reanchorEvery: 16,
  ...(learnedFamilies.includes(kind) && { policy: 'refill' as const }),
})
/**
 * Cells lie in another order and batches have other sizes, so sums round differently; sliding windows amplify it most.
 */
const bound = (kind: TinyKind) => (kind.startsWith('gemma') ? 5e-3 : 1e-3)

interface Wanted {
  temperature?: number
  stop?: string[]
  seed?: number
  speculation?: boolean
  drafts?: Drafts
  penalty?: number
}
interface Drafts {
  tokens: Int32Array
  count: number
}
const none: Drafts = { tokens: new Int32Array(0), count: 0 }
/** No others than the engine finds. */
const found: Drafts = { tokens: new Int32Array(0), count: -1 }

const job = (
  tokens: Int32Array,
  maxTokens: number,
  { temperature = 0, stop = [], seed = 3, speculation, drafts, penalty = 1 }: Wanted = {},
): NativeJob => ({
  type: 'generate',
  tokens,
  maxTokens,
  timeLimit: 0,
  stop,
  speculation,
  forcedDrafts: drafts,
  sampling: { ...greedy, temperature, seed, repeatPenalty: penalty },
})

/** A reply token by token, told by the engine: what drafts are made of. */
async function plainReply(
  model: NativeModel,
  options: Partial<NativeSequenceOptions>,
  prompt: Int32Array,
  maxTokens: number,
  wanted: Wanted = {},
): Promise<Int32Array> {
  const { finish } = await withSequence(model, options, sequence =>
    drain(sequence.start(job(prompt, maxTokens, { ...wanted, drafts: none }))),
  )
  expect(finish.draftedTokens).toBe(0)
  return finish.tokens ?? new Int32Array(0)
}

/**
 * A reply whose drafts all come true, `count` at a time. Once tokens are evicted, those that are decoded with drafts
 * see a little more than they would alone, and the reply may become another one: so it is foretold again until it
 * stays.
 */
async function foretold(
  model: NativeModel,
  options: Partial<NativeSequenceOptions>,
  prompt: Int32Array,
  maxTokens: number,
  count: number,
): Promise<Int32Array> {
  let tokens = new Int32Array(0)
  for (let attempt = 0; attempt <= maxTokens; attempt++) {
    const { finish } = await withSequence(model, options, sequence =>
      drain(sequence.start(job(prompt, maxTokens, { drafts: { tokens, count } }))),
    )
    const same = finish.tokens!.every((token, i) => token === tokens[i])
    tokens = Int32Array.from(finish.tokens!)
    if (same) break
  }
  return tokens
}

/** The tokens with another one at each `every`-th place, from the `first` on. */
const spoiled = (tokens: Int32Array, every: number, first = 0, by = 1) =>
  tokens.map((token, i) =>
    i >= first && (i - first) % every === 0 ? 100 + ((((token - 100 + by) % 230) + 230) % 230) : token,
  )

/** Equal, or from a place on where the two tokens were as likely. */
async function equalButForTies(
  model: NativeModel,
  options: Partial<NativeSequenceOptions>,
  prompt: Int32Array,
  one: Int32Array,
  other: Int32Array,
): Promise<void> {
  const at = one.findIndex((token, i) => token !== other[i])
  if (at < 0) return expect(other.length).toBeGreaterThanOrEqual(one.length)
  const likelihoods = await Promise.all(
    [one, other].map(reply =>
      withSequence(model, options, async sequence => {
        await append(sequence, prompt)
        return (await score(sequence, reply.subarray(0, at + 1)))[at]!
      }),
    ),
  )
  expect(Math.abs(likelihoods[0]! - likelihoods[1]!)).toBeLessThan(1e-3)
}

/** Scores of a continuation, long enough for its evictions to reach what was there before. */
async function scoresAfter(sequence: NativeSequence): Promise<number[]> {
  const next = randomTokens(91, 99)
  await append(sequence, next.subarray(0, 1))
  return score(sequence, next.subarray(1))
}

describe('the same tokens as without', () => {
  test.each(on)('%s: with drafts that are right, wrong, or both by turns, while nothing is evicted', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(40)
      const check = async (wanted: Wanted) => {
        const plain = await plainReply(model, roomy(kind), prompt, 60, wanted)
        const { length } = plain // some families end a reply all the same
        expect(length).toBeGreaterThan(20)
        for (const [every, count] of [
          [1000, 1],
          [1000, 4],
          [1000, 15],
          [1, 4],
          [3, 4],
          [5, 7],
        ] as const) {
          const tokens = spoiled(plain, every, every - 1)
          const { finish } = await withSequence(model, roomy(kind), sequence =>
            drain(sequence.start(job(prompt, 60, { ...wanted, drafts: { tokens, count } }))),
          )
          await equalButForTies(model, roomy(kind), prompt, plain, finish.tokens!)
          expect(finish.draftedTokens).toBeGreaterThan(every === 1 ? length : length / 3)
          if (every === 1) expect(finish.acceptedTokens).toBe(0)
          if (every === 1000) expect(finish.acceptedTokens).toBe(finish.draftedTokens)
          expect(finish.completionTokens).toBe(length)
        }
      }
      await check({ temperature: 0 })
      // A draw may fall on the very border between two tokens, which is where it is rounded to; not with each seed.
      await check({ temperature: 1, penalty: 1.2, seed: 3 }).catch(() =>
        check({ temperature: 1, penalty: 1.2, seed: 4 }),
      )
    }),
  )

  test.each(['llama', 'qwen2vl', 'gemma3', 'gpt2'] as const)(
    '%s: with what it finds by itself in a text that repeats',
    kind =>
      withModel(kind, { endBias: -20 }, async model => {
        // A conversation that has the reply in it already, so that there is much to find; the other half of it is new.
        const prompt = randomTokens(30)
        const first = await plainReply(model, roomy(kind), prompt, 60)
        const again = Int32Array.from([...prompt, ...first, ...prompt])
        for (const temperature of [0, 0.7]) {
          const plain = await plainReply(model, roomy(kind), again, 120, { temperature })
          const { finish } = await withSequence(model, roomy(kind), sequence =>
            drain(sequence.start(job(again, 120, { temperature, speculation: true, drafts: found }))),
          )
          await equalButForTies(model, roomy(kind), again, plain, finish.tokens!)
          expect(finish.completionTokens).toBe(plain.length)
          expect(finish.draftedTokens).toBeGreaterThanOrEqual(finish.acceptedTokens!)
        }
      }),
  )

  test.each(['llama', 'gemma2'] as const)('%s: a dense cache, to its last cell', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const options = { policy: 'dense', sinks: 0, window: 80 } as const
      const prompt = randomTokens(30)
      const run = (drafts: Drafts) =>
        withSequence(model, options, async sequence => {
          let text = ''
          await expect(
            (async () => {
              for await (const event of read(sequence.start(job(prompt, 0, { drafts }))))
                if (event.type === 'text') text += event.text
            })(),
          ).rejects.toMatchObject({ code: 'CACHE_FULL' })
          return text
        })
      const tokens = await plainReply(model, options, prompt, 50)
      expect(await run({ tokens, count: 15 })).toBe(await run(none))
    }),
  )
})

describe('while tokens are evicted', () => {
  test.each(on)('%s: what drafts were rejected leaves no trace', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(90)
      const plain = await plainReply(model, small(kind), prompt, 70)
      // The same places are wrong, by other tokens: the shapes of all batches are the same.
      const runs = []
      for (const by of [1, 57]) {
        runs.push(
          await withSequence(model, small(kind), async sequence => {
            const { finish } = await drain(
              sequence.start(job(prompt, 70, { drafts: { tokens: spoiled(plain, 1, 0, by), count: 6 } })),
            )
            return { finish, scores: await scoresAfter(sequence) }
          }),
        )
      }
      expect(runs[1]!.finish.tokens).toEqual(runs[0]!.finish.tokens)
      // When a reader lets cells go decides where the next tokens lie, so sums may round differently.
      expect(distance(runs[1]!.scores, runs[0]!.scores).max).toBeLessThan(bound(kind) / 2)
      expect(runs[0]!.finish.draftedTokens).toBeGreaterThan(150)
      // Where all are rejected each token saw what it sees alone.
      expect(runs[0]!.finish.acceptedTokens).toBe(0)
      expect(runs[0]!.finish.tokens).toEqual(plain)
    }),
  )

  // A sequence that is given the same tokens in batches of the same sizes must come to the same state.
  test.each(attentionFamilies)('%s: accepted drafts are what a prompt of these tokens is', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const options = { window: 60, reanchorEvery: 1 << 30 } // sinks that stay, so that nothing but evictions happens
      const prompt = randomTokens(90)
      const count = 4
      const tokens = await foretold(model, options, prompt, 61, count)
      const whole = tokens.length === 61 // some families end a reply all the same
      if (!whole) expect(kind).toMatch(/^gemma/)
      const length = 1 + 5 * Math.floor((tokens.length - 1) / 5)
      const speculated = await withSequence(model, options, async sequence => {
        const { finish } = await drain(sequence.start(job(prompt, length, { drafts: { tokens, count } })))
        expect(finish.acceptedTokens).toBe(finish.draftedTokens)
        expect(finish.acceptedTokens).toBe(((length - 1) / 5) * 4) // a token, then batches of 1 + 4
        expect(finish.evictedTokens).toBe(90 + length - 1 - 64)
        expect(finish.tokens).toEqual(tokens.subarray(0, length))
        return scoresAfter(sequence)
      })
      const prompted = await withSequence(model, options, async sequence => {
        await append(sequence, Int32Array.from([...prompt, tokens[0]!]))
        for (let from = 1; from < length; from += 5) await append(sequence, tokens.subarray(from, from + 5))
        return scoresAfter(sequence)
      })
      expect(distance(speculated, prompted).max).toBeLessThan(bound(kind))
    }),
  )

  test('the sinks move when they must, and bookkeeping agrees with llama.cpp at each step', () =>
    withModel('llama', { endBias: -20, layers: 1 }, async model => {
      for (const reanchorEvery of [1, 2, 5, 30]) {
        const options = { window: 60, reanchorEvery, rebaseAfter: 500 }
        const plain = await plainReply(model, options, randomTokens(50), 1500)
        for (const count of [1, 6, 15]) {
          const events: Record<string, number> = {}
          await withSequence(model, options, async sequence => {
            for await (const event of read(
              sequence.start(job(randomTokens(50), 1500, { drafts: { tokens: spoiled(plain, 7), count } })),
            )) {
              events[event.type] = (events[event.type] ?? 0) + 1
              if (event.type !== 'finish') continue
              expect(event.completionTokens).toBe(1500)
              expect(event.seenTokens).toBe(1550)
              expect(event.evictedTokens).toBe(1549 - 64)
              expect(event.cachedTokens).toBe(65)
            }
          })
          expect(events['rebase']).toBeGreaterThanOrEqual(2)
        }
      }
    }))
})

describe('a reply that ends within accepted drafts', () => {
  /** The reply is left after some texts, when the engine has run ahead of its reader. */
  async function left(sequence: NativeSequence, what: NativeJob, taken: number) {
    const stream = sequence.start(what)
    let [text, texts] = ['', 0]
    while (texts < taken) {
      const event = stream.take()
      if (event === null) await new Promise<void>(resolve => stream.wait(resolve))
      else if (event.type === 'text') [text, texts] = [text + event.text, texts + 1]
    }
    await new Promise(resolve => setTimeout(resolve, 30))
    stream.cancel()
    return { text, finish: (await drain(stream)).finish }
  }

  test.each(on)('%s: left by its reader', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      for (const [length, taken, options] of [
        [20, 2, roomy(kind)],
        [140, 1, small(kind)],
        [57, 3, small(kind)],
        [140, 2, { ...small(kind), reanchorEvery: 3 }],
      ] as const) {
        const prompt = randomTokens(length)
        // All drafts are wrong, or nothing is evicted: what was kept has seen what it would have seen alone.
        const plain = await plainReply(model, options, prompt, 60)
        const drafts = { tokens: length === 20 ? plain : spoiled(plain, 1), count: 5 }
        let [told, tokens] = ['', 0]
        const strayed = await withSequence(model, options, async sequence => {
          const { text, finish } = await left(sequence, job(prompt, 0, { drafts }), taken)
          told = text
          tokens = finish.completionTokens
          return scoresAfter(sequence)
        })
        const straight = await withSequence(model, options, async sequence => {
          expect((await drain(sequence.start(job(prompt, tokens)))).text).toBe(told)
          return scoresAfter(sequence)
        })
        expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
      }
    }),
  )

  // The sinks of one and the window of another have seen the same, so the ways back can be compared, evictions and all.
  test.each(attentionFamilies)('%s: in mid-eviction, taken back to where one by one it would have been', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const options = { window: 60, reanchorEvery: 40 }
      const prompt = randomTokens(100)
      const tokens = await foretold(model, options, prompt, 40, 6)
      const run = async (maxTokens: number, stop: string[] = []) =>
        withSequence(model, options, async sequence => {
          const { text, finish } = await drain(
            sequence.start(job(prompt, maxTokens, { stop, drafts: { tokens, count: 6 } })),
          )
          return { text, finish, scores: await scoresAfter(sequence) }
        })
      const whole = await run(30)
      // A windowed model's reply parts sooner from what was foretold.
      expect(whole.finish.acceptedTokens).toBeGreaterThan(kind.startsWith('gemma') ? 5 : 15)
      // Ended by a text that comes within a run, of several tokens: as the run that was told to end there.
      let checked = 0
      for (let length = 8; length < 24 && checked < 3; length++) {
        const kept = await run(length)
        const stop = whole.text.slice(kept.text.length, (await run(length + 3)).text.length)
        if (stop === '' || whole.text.includes('\ufffd') || whole.text.indexOf(stop) < kept.text.length) continue
        const stopped = await run(60, [stop])
        expect(stopped.finish.reason).toBe('stop')
        expect(stopped.text).toBe(kept.text)
        expect(stopped.finish.seenTokens).toBe(kept.finish.seenTokens)
        expect(stopped.finish.evictedTokens).toBe(kept.finish.evictedTokens)
        expect(distance(stopped.scores, kept.scores).max).toBeLessThan(bound(kind))
        checked++
      }
      // Random models that go round in circles, or speak no whole characters, offer no such text.
      if (['llama', 'qwen2', 'mistral3'].includes(kind)) expect(checked).toBeGreaterThan(0)
    }),
  )

  test.each(on)('%s: by a stop string', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(40)
      // A stop string of four tokens that occurs nowhere before, of whole characters.
      const text = (tokens: Int32Array) => model.detokenize(tokens, false)
      let [seed, reply, kept, stop] = [0, none.tokens, '', '']
      do {
        reply = await plainReply(model, roomy(kind), prompt, 60, { temperature: 1, seed: ++seed })
        kept = (
          await withSequence(model, roomy(kind), sequence =>
            drain(sequence.start(job(prompt, 21, { temperature: 1, seed }))),
          )
        ).text
        stop = (
          await withSequence(model, roomy(kind), sequence =>
            drain(sequence.start(job(prompt, 25, { temperature: 1, seed }))),
          )
        ).text.slice(kept.length)
      } while (
        seed < 50 &&
        (stop === '' || text(reply).includes('\ufffd') || (kept + stop).indexOf(stop) < kept.length)
      )
      const stopped = await withSequence(model, roomy(kind), async sequence => {
        const { text, finish } = await drain(
          sequence.start(job(prompt, 60, { temperature: 1, seed, stop: [stop], drafts: { tokens: reply, count: 9 } })),
        )
        expect(finish.reason).toBe('stop')
        expect(text).toBe(kept)
        expect(finish.tokens).toEqual(reply.subarray(0, 21))
        return scoresAfter(sequence)
      })
      const straight = await withSequence(model, roomy(kind), async sequence => {
        await drain(sequence.start(job(prompt, 21, { temperature: 1, seed })))
        return scoresAfter(sequence)
      })
      expect(distance(stopped, straight).max).toBeLessThan(bound(kind))
    }),
  )

  test.each(['llama', 'gemma3', 'qwen2vl', 'gpt2'] as const)(
    '%s: by the end of the turn, foretold or not, and by its length',
    kind =>
      withModel(kind, { endBias: 1 }, async model => {
        let ended = 0
        for (let seed = 1; seed < 60 && ended < 4; seed++) {
          const prompt = randomTokens(40, seed)
          const wanted = { temperature: 1, seed }
          const reply = await plainReply(model, roomy(kind), prompt, 40, wanted)
          if (reply.length < 4) continue
          const straight = await withSequence(model, roomy(kind), async sequence => {
            const { finish, text } = await drain(sequence.start(job(prompt, 40, wanted)))
            return { finish, text, scores: await scoresAfter(sequence) }
          })
          if (straight.finish.reason === 'end') ended++
          else if (seed % 5 !== 0) continue
          // What ends a turn is taken back and so not among the tokens told; these are the ones a vocabulary here may
          // end it by.
          for (const end of [1, 2, 3, 4]) {
            const tokens = Int32Array.from([...reply, end, ...randomTokens(20)])
            const run = await withSequence(model, roomy(kind), async sequence => {
              const { finish, text } = await drain(
                sequence.start(job(prompt, 40, { ...wanted, drafts: { tokens, count: 7 } })),
              )
              return { finish, text, scores: await scoresAfter(sequence) }
            })
            expect(run.text).toBe(straight.text)
            expect(run.finish).toMatchObject({
              reason: straight.finish.reason,
              seenTokens: straight.finish.seenTokens,
              completionTokens: straight.finish.completionTokens,
            })
            expect(distance(run.scores, straight.scores).max).toBeLessThan(bound(kind))
          }
        }
        expect(ended).toBe(4)
      }),
  )

  test('left at any time, then asked something else: the sequence holds what was given and delivered', () =>
    withModel('llama', { endBias: -4, layers: 2 }, async model => {
      for (const more of [{ reanchorEvery: 7 }, { reanchorEvery: 30, rebaseAfter: 300 }]) {
        await withSequence(model, more, async sequence => {
          const random = seeded(5)
          let known = 0
          for (let round = 0; round < 80; round++) {
            const tokens = randomTokens(1 + random.below(30), round)
            known += tokens.length
            const drafts = { tokens: randomTokens(100, 3), count: 1 + random.below(15) }
            const stream = sequence.start(
              job(tokens, 1 + random.below(60), {
                temperature: 0.3,
                speculation: true,
                ...(random.chance(0.5) && { drafts }),
              }),
            )
            let texts = random.below(12)
            for await (const event of read(stream)) {
              if (event.type === 'text' && texts-- === 0) stream.cancel()
              if (event.type === 'finish') known += event.completionTokens
            }
            const { finish } = await drain(sequence.start({ type: 'append', tokens: new Int32Array(0) }))
            expect(finish.seenTokens).toBe(known)
          }
        })
      }
    }))
})

test('several at once share what a batch has logits for, each in its turn', () =>
  withModel(
    'llama',
    { endBias: -20 },
    async model => {
      const prompts = [1, 2, 3, 4].map(seed => randomTokens(40, seed))
      const plain = await Promise.all(prompts.map(prompt => plainReply(model, roomy('llama'), prompt, 100)))
      const replies = await Promise.all(
        prompts.map((prompt, i) =>
          withSequence(model, roomy('llama'), sequence =>
            drain(sequence.start(job(prompt, 100, { drafts: { tokens: plain[i]!, count: 15 } }))),
          ),
        ),
      )
      for (const [i, { finish }] of replies.entries()) {
        expect(finish.draftedTokens).toBeGreaterThan(0)
        await equalButForTies(model, roomy('llama'), prompts[i]!, Int32Array.from(finish.tokens!), plain[i]!)
      }
    },
    { maxSequences: 4 },
  ))

describe('where it cannot be', () => {
  test.each(off)('%s has a recurrent state: no drafts, the same reply', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(40)
      const plain = await plainReply(model, {}, prompt, 60)
      const { text } = await withSequence(model, {}, sequence => drain(sequence.start(job(prompt, 60))))
      const forced = await withSequence(model, {}, sequence =>
        drain(sequence.start(job(prompt, 60, { drafts: { tokens: plain, count: 4 } }))),
      )
      const asked = await withSequence(model, {}, sequence =>
        drain(sequence.start(job(prompt, 60, { speculation: true }))),
      )
      for (const { finish, text: told } of [forced, asked]) {
        expect(finish.draftedTokens).toBe(0)
        expect(told).toBe(text)
      }
    }),
  )

  test('recompute does without it', () =>
    withModel('llama', { endBias: -20 }, async model => {
      const options = { policy: 'recompute', window: 30 } as const
      const prompt = randomTokens(40)
      const plain = await plainReply(model, options, prompt, 20)
      const { finish } = await withSequence(model, options, sequence =>
        drain(sequence.start(job(prompt, 20, { drafts: { tokens: plain, count: 4 } }))),
      )
      expect(finish.draftedTokens).toBe(0)
      expect(finish.tokens).toEqual(plain)
    }))

  test('it is only reported where it was asked for', () =>
    withModel('llama', {}, async model => {
      const { finish } = await withSequence(model, {}, sequence => drain(sequence.start(job(randomTokens(20), 20))))
      expect(finish.draftedTokens).toBeUndefined()
    }))
})

describe('side by side', () => {
  test.each(['llama', 'gemma3'] as const)('%s: one speculates, the others give what they give alone', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const options = roomy(kind)
      const prompts = [30, 40, 50].map(length => randomTokens(length, length))
      const alone: Int32Array[] = []
      for (const prompt of prompts) alone.push(await plainReply(model, options, prompt, 60))
      const sequences = prompts.map(() => model.openSequence({ ...verified, ...options }))
      const together = await Promise.all(
        prompts.map((prompt, i) =>
          drain(sequences[i]!.start(job(prompt, 60, { drafts: i === 1 ? { tokens: alone[1]!, count: 8 } : none }))),
        ),
      )
      for (const [i, { finish }] of together.entries()) {
        await equalButForTies(model, options, prompts[i]!, alone[i]!, finish.tokens!)
        expect(finish.acceptedTokens).toBe(finish.draftedTokens)
        expect(finish.draftedTokens! > 30).toBe(i === 1)
      }
    }),
  )

  test('so many that the batch is nearly full', () =>
    withModel(
      'llama',
      { endBias: -20, layers: 1, width: 64 },
      async model => {
        const prompt = randomTokens(12)
        const plain = await plainReply(model, { window: 40 }, prompt, 30)
        const sequences = Array.from({ length: 12 }, () =>
          model.openSequence({ ...verified, window: 40, reanchorEvery: 10 }),
        )
        const told = await Promise.all(
          sequences.map(sequence => drain(sequence.start(job(prompt, 30, { drafts: { tokens: plain, count: 15 } })))),
        )
        for (const { finish } of told) expect(finish.completionTokens).toBe(30)
        expect(told.some(({ finish }) => finish.acceptedTokens! > 0)).toBe(true)
      },
      { batchSize: 16, maxSequences: 12 },
    ))
})

test('a conversation learns: what it has said again and again is drafted, long after the cache was full', () =>
  withModel('llama', { endBias: -20 }, async model => {
    // Greedy replies of a model without sense run in circles before long.
    const { finish } = await withSequence(model, { window: 60, reanchorEvery: 30 }, sequence =>
      drain(sequence.start(job(randomTokens(20), 1500, { speculation: true }))),
    )
    expect(finish.completionTokens).toBe(1500)
    expect(finish.draftedTokens).toBeGreaterThan(0)
  }))
