import type { Cell, ModelFile, Setting, Work } from './experiment.js'
import { withSequence } from './experiment.js'
import { textTokens } from './text-tokens.js'

/** How fast a model is on this machine, by two points: what does not depend on the cache, and what grows with it. */
export interface Speed {
  /** Milliseconds a token that is decoded alone: with an empty cache, and for each 1,000 tokens in it. */
  score: { base: number; perThousand: number }
  /** The same for a token decoded in a batch. */
  append: { base: number; perThousand: number }
}

export type Speeds = Map<string, Speed>

/** Seconds that one piece of work takes. */
export function secondsOf({ doing, tokens, cache, times = 1 }: Work, speed: Speed): number {
  const at = ({ base, perThousand }: Speed['score'], cells: number) => base + (perThousand * cells) / 1_000
  // Decoding a whole cache afresh: its tokens see half of it on average.
  const each = doing === 'recompute' ? cache * at(speed.append, cache / 2) : at(speed[doing], cache)
  return (tokens * each * times) / 1_000
}

export function secondsOfCell(cell: Pick<Cell, 'work'>, speeds: Speeds): number {
  return cell.work.reduce((sum, work) => {
    const speed = speeds.get(work.model.sha256)
    return speed === undefined ? sum : sum + secondsOf(work, speed)
  }, 0)
}

const near = 128
const far = 1_024

/** Measures a model's speed on some tokens: 10 to 20 seconds on 2 cores with SmolLM2. */
export async function measureSpeed(setting: Setting, model: ModelFile): Promise<Speed> {
  return await withSequence(
    setting,
    model,
    { policy: 'dense', sinks: 0, window: far + 160 },
    async (sequence, loaded) => {
      const tokens = textTokens(setting.text, loaded, far + 160)
      let at = 0
      // The fastest of some pieces: whatever else goes on only makes it slower.
      const timed = async (count: number, doing: 'append' | 'score', pieces = 1) => {
        let fastest = Infinity
        for (let piece = 0; piece < pieces; piece++) {
          const start = performance.now()
          await sequence[doing](tokens.subarray(at, (at += count / pieces)))
          fastest = Math.min(fastest, (performance.now() - start) / (count / pieces))
        }
        return fastest
      }
      await timed(near, 'append')
      await timed(2, 'score') // the first of a kind warms up
      const scoreNear = await timed(24, 'score', 3)
      const appendNear = await timed(128, 'append')
      const middle = at
      const appendFar = await timed(Math.floor((far - at) / 2) * 2, 'append', 2)
      const scoreFar = await timed(24, 'score', 3)
      return {
        score: line(near, scoreNear, far, scoreFar),
        append: line(near + 90, appendNear, (middle + far) / 2, appendFar),
      }
    },
  )
}

/** Through two measurements; noise must not make a longer cache look faster. */
function line(x1: number, y1: number, x2: number, y2: number): Speed['score'] {
  const perThousand = Math.max(0, ((y2 - y1) / (x2 - x1)) * 1_000)
  return { base: Math.max(0, Math.min(y1, y2) - (perThousand * x1) / 1_000), perThousand }
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} minutes`
  return `${(seconds / 3_600).toFixed(1)} hours`
}
