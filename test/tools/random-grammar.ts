interface Random {
  below(limit: number): number
  chance(probability: number): boolean
}

/**
 * A random grammar in GBNF, valid but for what only a check can tell (left recursion, or that no text is ever whole):
 * choices that begin alike, repetitions within repetitions, what may be empty, recursion, sets and literals of all of
 * Unicode. Its alphabet is small, so that ways through it meet.
 */
export function randomGrammar(random: Random): string {
  const names = ['root', ...Array.from({ length: random.below(4) }, (_, i) => `r${i}`)]
  const pick = <T>(all: readonly T[]): T => all[random.below(all.length)]!
  const letters = ['a', 'b', ' ', ...(random.chance(0.3) ? ['é', '你', '🙂', '\\n', '\\u00e9', '\\x62'] : [])]
  const item = (depth: number): string => {
    if (depth > 0 && random.chance(0.35)) return `(${choice(depth - 1)})`
    if (random.chance(0.3))
      return `[${random.chance(0.2) ? '^' : ''}${pick(['a', 'ab', 'a-c', ' a', 'é-ü', '你', 'a-c0-9', '\\u0000-\\U0010FFFF'])}]`
    if (random.chance(0.05)) return '.'
    if (random.chance(0.25)) return pick(names)
    return `"${Array.from({ length: random.chance(0.05) ? 0 : 1 + random.below(3) }, () => pick(letters)).join('')}"`
  }
  const repeated = (depth: number): string => {
    const one = item(depth)
    if (one === '""' || !random.chance(0.4)) return one
    const min = random.below(4)
    return (
      one +
      pick([
        '*',
        '+',
        '?',
        '?',
        `{${min}}`,
        `{${min},}`,
        `{${min},${min + random.below(random.chance(0.1) ? 400 : 4)}}`,
      ])
    )
  }
  const sequence = (depth: number) =>
    Array.from({ length: random.chance(0.1) ? 0 : 1 + random.below(3) }, () => repeated(depth)).join(' ')
  const choice = (depth: number) =>
    Array.from({ length: random.chance(0.6) ? 1 : 1 + random.below(3) }, () => sequence(depth)).join(' | ')
  return `${names.map(name => `${name} ::= ${choice(3)}`).join('\n')}\n`
}
