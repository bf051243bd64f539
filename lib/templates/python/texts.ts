// What Python's methods of texts do, apart from what they cost.

const spaces = new Set(
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
)

/** Without the characters at the start or the end that are among those given, or white space. */
export function trimmed(
  text: string,
  { start, end, characters }: { start: boolean; end: boolean; characters?: string | undefined },
): string {
  const dropped = characters === undefined ? spaces : new Set(characters)
  let from = 0
  let to = text.length
  if (start) while (from < to && dropped.has(text.charAt(from))) from++
  if (end) while (from < to && dropped.has(text.charAt(to - 1))) to--
  return text.slice(from, to)
}

export function capitalized(text: string): string {
  const first = String.fromCodePoint(...(text === '' ? [] : [text.codePointAt(0)!]))
  return first.toUpperCase() + text.slice(first.length).toLowerCase()
}

/** Each run of letters begins with an upper-case one. */
export function titled(text: string): string {
  return text.replace(/\p{L}+/gu, capitalized)
}

/** `count`: how often at most, from the start; all without it. */
export function replaced(text: string, part: string, by: string, count = -1): string {
  if (count < 0)
    return part === '' ? replacedNothing(text, by, Number.POSITIVE_INFINITY) : text.replaceAll(part, () => by)
  if (part === '') return replacedNothing(text, by, count)
  let all = ''
  let from = 0
  for (let left = count; left > 0; left--) {
    const at = text.indexOf(part, from)
    if (at < 0) break
    all += text.slice(from, at) + by
    from = at + part.length
  }
  return all + text.slice(from)
}

/** With a text before each character and at the end, so often at most. */
function replacedNothing(text: string, by: string, count: number): string {
  let left = count
  let all = ''
  for (const character of text) all += (left-- > 0 ? by : '') + character
  return left > 0 ? all + by : all
}

/** Filled up to a width, by what shares `start` and `end` say: before it, behind it, or both. */
export function justified(
  text: string,
  width: number,
  fill: string,
  { start, end }: { start: number; end: number },
): string {
  const missing = Math.max(0, width - text.length)
  if (fill.length !== 1) throw new Error('What fills a text up is one character.')
  // Python puts the odd one of both sides before the text where the width is odd.
  const before = start === 0 ? 0 : end === 0 ? missing : Math.floor(missing / 2) + (missing & width & 1)
  return fill.repeat(before) + text + fill.repeat(missing - before)
}
