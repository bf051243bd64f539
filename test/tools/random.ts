import { SeededRandom } from './tiny-random.js'

/** Random numbers from a seed, so that a failing case can be run again. */
export function seeded(seed: number): {
  next(): number
  below(limit: number): number
  chance(probability: number): boolean
} {
  const random = new SeededRandom(seed)
  return {
    next: () => random.uniform(),
    below: limit => random.integer(limit),
    chance: probability => random.uniform() < probability,
  }
}
