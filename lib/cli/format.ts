/** Bytes as people read them, in powers of ten: `98.4 MB`. */
export function byteText(bytes: number): string {
  for (const [unit, size] of [
    ['TB', 1e12],
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const) {
    // What would round up to a thousand has the next unit.
    if (bytes >= size * 0.99995) return `${(bytes / size).toFixed(1)} ${unit}`
  }
  return `${bytes} bytes`
}

/** A count with commas: `49,152`. */
export function countText(count: number): string {
  return count.toLocaleString('en-US')
}

/** Rows in columns as wide as they have to be, two blanks between them; nothing follows the last. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, [...cell].length)
    })
  return rows
    .map(row =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + ' '.repeat(widths[column]! - [...cell].length),
        )
        .join('  '),
    )
    .join('\n')
}

/** JSON over several lines. Whole numbers too large for JavaScript's are written as texts. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each), 2)}\n`
}
