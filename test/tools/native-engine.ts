import { createRequire } from 'node:module'
import path from 'node:path'
import { locateLibraries } from '../../lib/backend/locate.js'
import type {
  NativeAddon,
  NativeContextOptions,
  NativeEvent,
  NativeModel,
  NativeSampling,
  NativeSequenceOptions,
  NativeStream,
} from '../../lib/engine/native.js'
import type { TestAddon } from './test-addon.js'

const require = createRequire(import.meta.url)
const built = process.env['STREAMING_LLM_BUILT_ADDON'] || '../../build/Release/streaming_llm.node'

/** The tests' addon, without the typed layer, for tests of the engine itself. */
export function openAddon(): TestAddon {
  const addon = require(`${path.posix.dirname(built)}/streaming_llm_test.node`) as TestAddon
  addon.open(locateLibraries())
  return addon
}

export const greedy: NativeSampling = {
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

export const exactContext: NativeContextOptions = {
  threads: 1,
  threadsMayChange: false,
  batchSize: 128,
  cacheTokens: 0,
  maxSequences: 8,
  kvType: 'f32',
  flashAttention: 'off',
}

export const verified: NativeSequenceOptions = {
  policy: 'streaming',
  sinks: 4,
  window: 60,
  reanchorEvery: 1,
  rebaseAfter: 131_072,
  verify: true,
  firstPosition: 0,
}

export function loadNative(
  addon: NativeAddon,
  path: string,
  options: Partial<NativeContextOptions> = {},
): Promise<NativeModel> {
  return addon.load(path, { gpuLayers: 0, devices: [], ...exactContext, ...options }, () => {}).promise
}

/** A stream's events to its end; an error event is thrown. */
export async function* read(stream: NativeStream): AsyncGenerator<NativeEvent> {
  for (;;) {
    const event = stream.take()
    if (event === null) {
      await new Promise<void>(resolve => stream.wait(resolve))
      continue
    }
    if (event.type === 'error') throw Object.assign(new Error(event.message), { code: event.code })
    yield event
    if (event.type === 'finish') return
  }
}

export async function drain(stream: NativeStream): Promise<{
  text: string
  scores: number[]
  counts: Record<string, number>
  finish: Extract<NativeEvent, { type: 'finish' }>
}> {
  let text = ''
  const scores: number[] = []
  const counts: Record<string, number> = {}
  let finish
  for await (const event of read(stream)) {
    counts[event.type] = (counts[event.type] ?? 0) + 1
    if (event.type === 'text') text += event.text
    if (event.type === 'scores') scores.push(...event.values)
    if (event.type === 'finish') finish = event
  }
  return { text, scores, counts, finish: finish! }
}
