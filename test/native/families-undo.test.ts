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
import { drain, greedy, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { TinyKind } from '../tools/tiny-models.js'

const all = [...attentionFamilies, ...recurrentFamilies, ...learnedFamilies]

const optionsOf = (kind: TinyKind): Partial<NativeSequenceOptions> =>
  learnedFamilies.includes(kind) ? { policy: 'refill' } : {}
/** Cells lie in another order, so sums round differently; with a sliding window the layers amplify it most. */
const bound = (kind: TinyKind) => (kind.startsWith('gemma') ? 5e-3 : recurrentFamilies.includes(kind) ? 2e-5 : 1e-3)

const generate = (tokens: Int32Array, maxTokens: number, stop: string[] = [], seed = 3): NativeJob => ({
  type: 'generate',
  tokens,
  maxTokens,
  timeLimit: 0,
  stop,
  sampling: { ...greedy, temperature: 1, seed },
})

/** The reply's text, cancelled after `taken` events of it, a moment in which the engine runs ahead, and `meanwhile`. */
async function interrupted(
  sequence: NativeSequence,
  job: NativeJob,
  taken: number,
  meanwhile = async () => {},
  moment = 30,
) {
  const stream = sequence.start(job)
  const texts: string[] = []
  while (texts.length < taken) {
    const event = stream.take()
    if (event === null) await new Promise<void>(resolve => stream.wait(resolve))
    else if (event.type === 'text') texts.push(event.text)
    else if (event.type === 'finish' || event.type === 'error')
      throw new Error(`the reply ended too soon: ${JSON.stringify(event)}`)
  }
  if (moment > 0) await new Promise(resolve => setTimeout(resolve, moment))
  await meanwhile()
  stream.cancel()
  return { text: texts.join(''), finish: (await drain(stream)).finish }
}

/** Scores of a continuation after `reply`, long enough for its evictions to reach what was there before. */
const after = (
  model: NativeModel,
  kind: TinyKind,
  more: Partial<NativeSequenceOptions>,
  reply: (sequence: NativeSequence) => Promise<void>,
) =>
  withSequence(model, { ...optionsOf(kind), ...more }, async sequence => {
    await reply(sequence)
    const next = randomTokens(91, 99)
    await append(sequence, next.subarray(0, 1))
    return score(sequence, next.subarray(1))
  })

/** A reply's text, in a sequence of its own. */
const replyOf = (model: NativeModel, kind: TinyKind, more: Partial<NativeSequenceOptions>, job: NativeJob) =>
  withSequence(model, { ...optionsOf(kind), ...more }, async sequence => (await drain(sequence.start(job))).text)

describe('what was not read is taken back', () => {
  test.each(all)('%s: a reply that is left', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      // While the cache fills, as it becomes full, and long after.
      for (const [length, taken, reanchorEvery] of [
        [20, 3, 1],
        [57, 5, 1],
        [140, 2, 1],
        [140, 11, 4],
      ] as const) {
        let told = ''
        let tokens = 0
        const strayed = await after(model, kind, { reanchorEvery }, async sequence => {
          const { text, finish } = await interrupted(sequence, generate(randomTokens(length), 0), taken)
          expect(finish.reason).toBe('abort')
          told = text
          tokens = finish.completionTokens
        })
        const straight = await after(model, kind, { reanchorEvery }, async sequence => {
          const { text } = await drain(sequence.start(generate(randomTokens(length), tokens)))
          expect(text).toBe(told)
        })
        expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
      }
    }),
  )

  test.each(all)('%s: a reply that is left before its first token, behind a prompt of one', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const [before, next] = [randomTokens(80), randomTokens(1, 8)]
      const roomy = { window: 300 }
      const strayed = await after(model, kind, roomy, async sequence => {
        await append(sequence, before)
        await interrupted(sequence, generate(next, 0), 0)
      })
      const straight = await after(model, kind, roomy, async sequence => {
        await append(sequence, Int32Array.of(...before, ...next))
      })
      expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
    }),
  )

  test.each([
    ['llama', 'streaming'],
    ['jamba', 'streaming'],
    ['jamba', 'recompute'],
    ['gpt2', 'refill'],
  ] as const)('%s, %s: a reply that is left after a stop string has cut a token', (kind, policy) =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(40)
      let cut = 0
      for (const stop of ['a', 'e', 'o', 's', 't', 'r']) {
        const whole = await withSequence(
          model,
          { policy },
          async sequence => await drain(sequence.start(generate(prompt, 60, [stop]))),
        )
        // A first part of a token is in other tokens than there were.
        if (whole.finish.reason === 'stop' && whole.finish.seenTokens >= prompt.length + whole.finish.completionTokens)
          cut++
        await withSequence(model, { policy }, async sequence => {
          const { finish } = await interrupted(sequence, generate(prompt, 60, [stop]), 0)
          expect(finish).toMatchObject({
            seenTokens: prompt.length,
            cachedTokens: prompt.length - finish.evictedTokens,
          })
          expect(await score(sequence, randomTokens(9, 99))).toHaveLength(9)
        })
      }
      expect(cut).toBeGreaterThan(0)
    }),
  )

  test.each(all)('%s: a reply that is left when the engine has long finished it, by its end or by its length', kind =>
    withModel(kind, { endBias: 1 }, async model => {
      let ended = 0
      for (const [length, taken, maxTokens, policy, seed] of [
        [20, 1, 14, {}, 3],
        [140, 2, 14, { reanchorEvery: 3 }, 4],
        [30, 1, 12, { policy: 'dense', sinks: 0, window: 400 }, 5],
        ...Array.from({ length: 12 }, (_, i) => [140, 1, 0, {}, 10 + i] as const),
      ] as const) {
        let told = ''
        let tokens = 0
        let kept = { seenTokens: 0, evictedTokens: 0 }
        const strayed = await after(model, kind, policy, async sequence => {
          const job = generate(randomTokens(length), maxTokens, [], seed)
          const { text, finish } = await interrupted(sequence, job, taken)
          told = text
          tokens = finish.completionTokens
          kept = finish
        }).catch((error: Error) => {
          if (error.message.startsWith('the reply ended too soon')) return undefined // its very first token was the end
          throw error
        })
        if (strayed === undefined || tokens === 0) continue
        if (maxTokens === 0 && ++ended > 3) break
        const straight = await after(model, kind, policy, async sequence => {
          const { text, finish } = await drain(sequence.start(generate(randomTokens(length), tokens, [], seed)))
          expect(text).toBe(told)
          expect(kept.seenTokens).toBe(finish.seenTokens)
          // What a recurrent model decodes again has not pushed anything out yet; where half of a window goes at once,
          // it may have gone for the token after the last one.
          if (learnedFamilies.includes(kind)) expect(kept.evictedTokens).toBeGreaterThanOrEqual(finish.evictedTokens)
          else if (!recurrentFamilies.includes(kind)) expect(kept.evictedTokens).toBe(finish.evictedTokens)
        })
        expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
      }
      expect(ended).toBeGreaterThan(0)
    }),
  )

  test.each(all)('%s: what a stop string keeps from the reader', kind =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(70)
      // A stop string of four tokens that occurs nowhere before, of whole characters.
      let seed = 0
      let [kept, longer, stop] = ['', '', '']
      do {
        kept = await replyOf(model, kind, {}, generate(prompt, 21, [], ++seed))
        longer = await replyOf(model, kind, {}, generate(prompt, 25, [], seed))
        stop = longer.slice(kept.length)
      } while (seed < 50 && (stop === '' || longer.includes('\ufffd') || longer.indexOf(stop) < kept.length))
      const stopped = await after(model, kind, {}, async sequence => {
        const { text, finish } = await drain(sequence.start(generate(prompt, 60, [stop], seed)))
        expect(finish.reason).toBe('stop')
        expect(text).toBe(kept)
      })
      const straight = await after(model, kind, {}, async sequence => {
        await drain(sequence.start(generate(prompt, 21, [], seed)))
      })
      expect(distance(stopped, straight).max).toBeLessThan(bound(kind))
    }),
  )

  // Farther back than a sliding window reaches: what was in it then must still be there, in a cache of 256 cells and no
  // spare one.
  test.each<TinyKind>(['llama', 'gemma2', 'gemma3', 'lfm2-windowed', 'qwen35'])(
    '%s: forty tokens that were held for a stop string which did not come',
    kind =>
      withModel(
        kind,
        { endBias: -20 },
        async model => {
          const prompt = randomTokens(400)
          const window = 168
          const head = await replyOf(model, kind, { window }, generate(prompt, 10))
          const stop = `${(await replyOf(model, kind, { window }, generate(prompt, 50))).slice(head.length)}\u2603`
          let tokens = Infinity
          let strayed: number[] = []
          // A late reader finds all of it at once, and leaves nothing to be taken back.
          for (let attempt = 0; attempt < 200 && tokens > 10; attempt++) {
            strayed = await after(model, kind, { window }, async sequence => {
              tokens = (await interrupted(sequence, generate(prompt, 0, [stop]), 1)).finish.completionTokens
            })
          }
          expect(tokens).toBeLessThanOrEqual(10)
          const straight = await after(model, kind, { window }, async sequence => {
            await drain(sequence.start(generate(prompt, tokens)))
          })
          expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
        },
        { batchSize: 16 },
      ),
  )
})

describe('other conversations change nothing', () => {
  test.each(all)('%s: one opened later makes the cache grow and carries the others over', kind =>
    withModel(kind, {}, async model => {
      const text = randomTokens(300)
      const run = (meanwhile: () => Promise<void>) =>
        withSequence(model, optionsOf(kind), async sequence => {
          await append(sequence, text.subarray(0, 150))
          await meanwhile()
          return score(sequence, text.subarray(150))
        })
      const alone = await run(async () => {})
      const cells = model.cells
      const others: NativeSequence[] = []
      const carried = await run(async () => {
        for (let i = 0; i < 3; i++) others.push(model.openSequence({ ...verified, ...optionsOf(kind), window: 500 }))
        await append(others[0]!, randomTokens(20))
        expect(model.cells).toBeGreaterThan(cells)
      })
      for (const other of others) other.close()
      expect(distance(carried, alone).max).toBeLessThan(bound(kind))
    }),
  )

  // At once, too: the engine then runs ahead of its reader before and after the cache has grown.
  test.each(
    all.flatMap(
      kind =>
        [
          [kind, 30],
          [kind, 0],
        ] as const,
    ),
  )('%s: the cache grows while a reply waits for its reader, who then leaves (after %i ms)', (kind, moment) =>
    withModel(kind, { endBias: -20 }, async model => {
      let tokens = 0
      const others: NativeSequence[] = []
      const strayed = await after(model, kind, {}, async sequence => {
        const { finish } = await interrupted(
          sequence,
          generate(randomTokens(140), 0),
          4,
          async () => {
            const cells = model.cells
            for (let i = 0; i < 3; i++)
              others.push(model.openSequence({ ...verified, ...optionsOf(kind), window: 500 }))
            await append(others[0]!, randomTokens(20))
            expect(model.cells).toBeGreaterThan(cells)
          },
          moment,
        )
        expect(finish.reason).toBe('abort')
        tokens = finish.completionTokens
      })
      for (const other of others) other.close()
      const straight = await after(model, kind, {}, async sequence => {
        await drain(sequence.start(generate(randomTokens(140), tokens)))
      })
      expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
    }),
  )

  // One of each kind of memory. Room for all prompts at once: where a prompt is cut decides what its tokens see.
  test.each<TinyKind>(['qwen2', 'qwen2vl', 'deepseek2', 'gemma2', 'lfm2', 'lfm2-windowed', 'qwen35', 'mamba', 'gpt2'])(
    '%s: side by side in one batch, each gives what it gives alone',
    kind =>
      withModel(
        kind,
        {},
        async model => {
          const run = (length: number) =>
            withSequence(model, optionsOf(kind), async sequence => {
              await append(sequence, randomTokens(length, length))
              return score(sequence, randomTokens(150, length + 1))
            })
          const lengths = [5, 40, 90, 130]
          const alone: number[][] = []
          for (const length of lengths) alone.push(await run(length))
          const together = await Promise.all(lengths.map(run))
          together.forEach((scores, i) => expect(distance(scores, alone[i]!).max).toBeLessThan(bound(kind)))
        },
        { batchSize: 512 },
      ),
  )
})

describe('sliding windows', () => {
  // llama.cpp prunes windowed layers before it decodes, and once sinks have moved it can prune too much where a decode
  // has several ubatches, which the engine never lets happen. All layers of these are windowed, and more narrowly than
  // the cache is, so that it makes no difference how a prompt is cut.
  const windowed: [TinyKind, number][] = [
    ['gemma2', 1],
    ['gemma3', 2],
    ['lfm2-windowed', 4],
  ]
  test.each(
    windowed.flatMap(([kind, layers]) => [16, 32, 64].map((size): [TinyKind, number, number] => [kind, size, layers])),
  )(
    '%s: a prompt in batches of %i, after the sinks have moved, is that prompt token by token',
    async (kind, batchSize, layers) => {
      const [before, prompt, rest] = [randomTokens(200, 1), randomTokens(300, 2), randomTokens(100, 3)]
      const run = (piece: number) =>
        withModel(
          kind,
          { layers },
          model =>
            withSequence(model, {}, async sequence => {
              await append(sequence, before.subarray(0, 1))
              await score(sequence, before.subarray(1))
              for (let from = 0; from < prompt.length; from += piece)
                await append(sequence, prompt.subarray(from, from + piece))
              return score(sequence, rest)
            }),
          { batchSize },
        )
      expect(distance(await run(prompt.length), await run(1)).max).toBeLessThan(bound(kind))
    },
  )

  test.each(['dense', 'recompute', 'streaming'] as const)(
    '%s: what windowed layers have given up since is there again when a reply is taken back',
    policy =>
      withModel(
        'gemma3',
        { endBias: -20 },
        async model => {
          const long = { policy, window: 900 }
          const before = randomTokens(40)
          const strayed = await after(model, 'gemma3', long, async sequence => {
            await append(sequence, before)
            // llama.cpp looks for cells from the first one on, once there is room for many behind those in use.
            await withSequence(model, long, other => append(other, randomTokens(90)))
            await interrupted(sequence, generate(new Int32Array(), 0), 0)
          })
          const straight = await after(model, 'gemma3', long, async sequence => {
            await append(sequence, before)
          })
          expect(distance(strayed, straight).max).toBeLessThan(bound('gemma3'))
        },
        { batchSize: 16, maxSequences: 2 },
      ),
  )
})

describe('recomputing, interrupted', () => {
  test.each<TinyKind>(['llama', 'lfm2', 'gpt2'])(
    '%s: jobs in any order, aborted anywhere, leave the tokens that were given and delivered',
    kind =>
      withModel(
        kind,
        { endBias: -20, layers: 2 },
        async model => {
          for (const policy of ['recompute', 'refill'] as const) {
            if (policy === 'refill' && kind !== 'gpt2') continue
            const random = seeded(17)
            const options = { policy, sinks: 3, window: 40 } as const
            await withSequence(model, options, async sequence => {
              const known: number[] = []
              const add = (count: number) => {
                const tokens = Int32Array.from({ length: count }, () => 100 + random.below(200))
                known.push(...tokens)
                return tokens
              }
              await append(sequence, add(5))
              for (let round = 0; round < 60; round++) {
                const choice = random.next()
                if (choice < 0.4) await append(sequence, add(1 + random.below(random.chance(0.3) ? 90 : 4)))
                else if (choice < 0.6) await score(sequence, add(1 + random.below(3)))
                else {
                  // Nothing is generated that stays: all of it is taken back, at once or after a moment.
                  const stream = sequence.start(generate(add(random.below(4)), 5))
                  await new Promise(resolve => setTimeout(resolve, random.below(12)))
                  stream.cancel()
                  const { finish } = await drain(stream)
                  expect(finish.completionTokens).toBe(0)
                }
                const { finish } = await drain(sequence.start({ type: 'append', tokens: new Int32Array(0) }))
                expect(finish.seenTokens).toBe(known.length)
                expect(finish.cachedTokens).toBeGreaterThan(
                  Math.min(known.length, policy === 'recompute' ? 43 : 3 + 19) - 1,
                )
                expect(finish.cachedTokens).toBeLessThanOrEqual(3 + 40 + 2)
              }
              if (policy === 'refill') return // what it holds depends on when it was filled
              const next = add(12)
              const interruptedScores = await score(sequence, next)
              const straight = await withSequence(model, options, async other => {
                await append(other, Int32Array.from(known.slice(0, -12)))
                return score(other, next)
              })
              expect(distance(interruptedScores, straight).max).toBeLessThan(1e-3)
            })
          }
        },
        { batchSize: 16 },
      ),
  )
})

test('jamba: a reply is the same to the last bit, however fast it is read', () =>
  // Flash attention adds up in the order of the cells, of which there are just enough: each that a checkpoint shares
  // for longer is another's later.
  withModel(
    'jamba',
    { endBias: -20 },
    async model => {
      const reply = (pause: (event: number) => Promise<unknown>) =>
        withSequence(model, { policy: 'streaming', window: 160 }, async sequence => {
          const stream = sequence.start({ ...generate(randomTokens(150), 200), alternatives: 0 } as NativeJob)
          const logprobs: number[] = []
          for (let count = 0; ; count++) {
            const event = stream.take()
            if (event === null) await new Promise<void>(resolve => stream.wait(resolve))
            else if (event.type === 'text') logprobs.push(...event.tokens!.map(({ logProbability }) => logProbability))
            else if (event.type === 'finish') return logprobs
            await pause(count)
          }
        })
      const fast = await reply(async () => {})
      expect(fast).toHaveLength(200)
      expect(await reply(() => new Promise(resolve => setTimeout(resolve, 30)))).toEqual(fast)
      expect(await reply(count => new Promise(resolve => setTimeout(resolve, count % 20 === 0 ? 250 : 0)))).toEqual(
        fast,
      )
    },
    { flashAttention: 'on', kvType: 'f16', batchSize: 16 },
  ))
