/** What a program showed. Two of the same kind are taken for the same defect while a program is made shorter. */
export class Fault extends Error {
  override readonly name = 'Fault'

  /** `at`: how many operations had been begun. */
  constructor(
    readonly kind: string,
    message: string,
    readonly at = 0,
  ) {
    super(message)
  }
}

/** Two texts that differ, from a little before the first difference on. */
export function apart(expected: string, got: string): string {
  let same = 0
  while (same < expected.length && expected[same] === got[same]) same++
  const from = Math.max(0, same - 60)
  const part = (text: string) =>
    `${from > 0 ? '…' : ''}${JSON.stringify(text.slice(from, same + 120))}${text.length > same + 120 ? '…' : ''}`
  return `expected ${part(expected)}, got ${part(got)}`
}

/** As `apart`, of texts that should end alike. */
export function endsApart(expected: string, got: string): string {
  const turned = (text: string) => [...text].reverse().join('')
  let same = 0
  while (same < got.length && expected.at(-1 - same) === got.at(-1 - same)) same++
  const part = (text: string) => turned(turned(text).slice(Math.max(0, same - 60), same + 120))
  return `expected an end of …${JSON.stringify(part(expected))}, got ${JSON.stringify(part(got))}`
}
