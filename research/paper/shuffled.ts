import type { SeededRandom } from '../../test/tools/tiny-random.js'

/** A copy in random order (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[], random: SeededRandom): Item[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const other = random.integer(i + 1)
    ;[copy[i], copy[other]] = [copy[other]!, copy[i]!]
  }
  return copy
}
