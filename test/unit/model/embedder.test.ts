import { jest } from '@jest/globals'
import type { NativeEmbedding, NativeEmbedRequest } from '../../../lib/engine/native.js'
import { Embedder } from '../../../lib/model/embedder.js'
import { deafSignal } from '../../tools/deaf-signal.js'

const request = (...texts: string[]): NativeEmbedRequest => ({
  texts,
  pooling: 'mean',
  normalize: true,
  maxTokens: 10,
})
const soon = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

/** Takes 10 ms a text. */
class FakeNative {
  running = 0
  max = 0
  aborts = 0
  released = 0
  embed({ texts }: NativeEmbedRequest): NativeEmbedding {
    this.max = Math.max(this.max, ++this.running)
    let abort!: () => void
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        this.aborts++
        reject(Object.assign(new Error('aborted'), { code: 'ABORTED' }))
      }
    })
    const done = soon(10 * texts.length).then(() => texts.map(text => Float32Array.of(text.length)))
    return { promise: Promise.race([done, aborted]).finally(() => this.running--), abort }
  }
  async releaseEmbedder(): Promise<void> {
    expect(this.running).toBe(0)
    this.released++
  }
}

test('one at a time, each gets its own', async () => {
  const native = new FakeNative()
  const embedder = new Embedder(native)
  const all = await Promise.all([
    embedder.embed(request('a')),
    embedder.embed(request('bb', 'ccc')),
    embedder.embed(request('dddd')),
  ])
  expect(all.map(vectors => vectors.map(([value]) => value))).toEqual([[1], [2, 3], [4]])
  expect(native.max).toBe(1)
})

test('freed once it has been idle, again and again, and never while a call waits', async () => {
  // By a clock of its own: a machine that stands still for 30 ms is no idleness.
  jest.useFakeTimers()
  try {
    const native = new FakeNative()
    const embedder = new Embedder(native, 30)
    for (let i = 1; i <= 2; i++) {
      for (let j = 0; j < 3; j++) {
        const vectors = embedder.embed(request('a'))
        await jest.advanceTimersByTimeAsync(10)
        await vectors
        await jest.advanceTimersByTimeAsync(25)
      }
      expect(native.released).toBe(i - 1)
      await jest.advanceTimersByTimeAsync(10)
      expect(native.released).toBe(i)
    }
  } finally {
    jest.useRealTimers()
  }
})

test('a call aborted while it waits rejects at once, and never begins', async () => {
  const native = new FakeNative()
  const embedder = new Embedder(native)
  const first = embedder.embed(request(...Array<string>(20).fill('a')))
  const controller = new AbortController()
  const second = embedder.embed(request('b'), controller.signal)
  let isFirstOver = false
  void first.then(() => {
    isFirstOver = true
  })
  controller.abort(new Error('enough'))
  await expect(second).rejects.toThrow('enough')
  expect(isFirstOver).toBe(false)
  expect(await first).toHaveLength(20)
  expect(await embedder.embed(request('c'))).toHaveLength(1)
  expect(native.aborts).toBe(0)
})

test('one in progress is aborted, with the reason of the signal', async () => {
  const native = new FakeNative()
  const embedder = new Embedder(native)
  const controller = new AbortController()
  const call = embedder.embed(request(...Array<string>(20).fill('a')), controller.signal)
  await soon(20)
  controller.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
  expect(native.aborts).toBe(1)
  expect(await embedder.embed(request('b'))).toHaveLength(1)
})

test('closed: what waits is told so', async () => {
  const embedder = new Embedder(new FakeNative())
  const calls = Promise.allSettled([embedder.embed(request('a')), embedder.embed(request('b'))])
  await soon(1)
  embedder.close()
  expect(await calls).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'CLOSED' } }])
})

test('a signal that cannot be listened to begins nothing, so that the next one runs alone', async () => {
  const native = new FakeNative()
  const embedder = new Embedder(native)
  const embedded = embedder.embed(request('a'), deafSignal())
  await expect(embedded).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(native.running).toBe(0)
  expect(await embedder.embed(request('bb'))).toEqual([Float32Array.of(2)])
  expect(native.max).toBe(1)
})
