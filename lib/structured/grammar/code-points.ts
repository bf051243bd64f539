/** A set of Unicode code points: inclusive ranges, ascending, with gaps between them. */
export type CodePoints = readonly (readonly [number, number])[]

/** What a text can hold: everything but surrogates, which UTF-8 has no place for. */
export const everyCodePoint: CodePoints = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
]

export function codePoints(characters: string): CodePoints {
  return union(Array.from(characters, character => [character.codePointAt(0)!, character.codePointAt(0)!] as const))
}

export function union(...sets: readonly CodePoints[]): CodePoints {
  const merged: [number, number][] = []
  for (const [from, to] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

export function intersection(a: CodePoints, b: CodePoints): CodePoints {
  const common = a.flatMap(([from, to]) => b.map(other => [Math.max(from, other[0]), Math.min(to, other[1])] as const))
  return union(common.filter(([from, to]) => from <= to))
}

/** All code points that a text can hold, but those of the set. */
export function complement(set: CodePoints): CodePoints {
  const gaps: [number, number][] = []
  let next = 0
  for (const [from, to] of set) {
    if (from > next) gaps.push([next, from - 1])
    next = to + 1
  }
  if (next <= 0x10ffff) gaps.push([next, 0x10ffff])
  return intersection(gaps, everyCodePoint)
}

export function includes(set: CodePoints, codePoint: number): boolean {
  return set.some(([from, to]) => from <= codePoint && codePoint <= to)
}
