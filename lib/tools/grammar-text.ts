/** A literal of GBNF. */
export function literal(text: string): string {
  const escaped = text.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')
  return `"${escaped}"`
}

/** A literal in which white space may be as long as the model likes, within limits: written as the rule `space`. */
export function looseLiteral(text: string): string {
  return text
    .split(/(\s+)/)
    .filter(part => part !== '')
    .map(part => (part.trim() === '' ? 'space' : literal(part)))
    .join(' ')
}

/** At most a few characters, so that a model can't go on forever with white space. */
export const spaceRule = 'space ::= [ \\t\\n]{0,8}'

// Rules' names, and all that may hold something that looks like one.
const pieces =
  /"(?:\\[\s\S]|[^"\\])*"|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\n]*|<[^>\n]*>|\{[^}\n]*\}|[A-Za-z0-9][A-Za-z0-9_-]*/g

/** The same grammar with every rule named `prefix-` and its name, so that several can stand in one text. */
export function renameRules(grammar: string, prefix: string): string {
  return grammar.replace(pieces, piece =>
    /^[A-Za-z0-9]/.test(piece) ? `${prefix}-${piece.replaceAll('_', '-')}` : piece,
  )
}

/**
 * Rules for any text up to a marker and the marker itself, the first of them named `name`. One rule for each length of the
 * marker's start that may have been read: a plain "anything but this" would miss markers that begin within the start of
 * another.
 */
export function untilRules(name: string, marker: string): string[] {
  const rule = (read: number) => (read === 0 ? name : `${name}-${read}`)
  const characters = [...new Set(marker)]
  return Array.from({ length: marker.length }, (_, read) => {
    const choices = characters.flatMap(character => {
      const next = overlap(marker.slice(0, read) + character, marker)
      if (next === 0) return []
      return [next === marker.length ? literal(character) : `${literal(character)} ${rule(next)}`]
    })
    const leading = characters.filter(character => overlap(marker.slice(0, read) + character, marker) > 0)
    return `${rule(read)} ::= [^${leading.map(classCharacter).join('')}] ${name} | ${choices.join(' | ')}`
  })
}

/** How much of the marker's start the text ends with. */
function overlap(text: string, marker: string): number {
  for (let length = Math.min(text.length, marker.length); length > 0; length--) {
    if (text.endsWith(marker.slice(0, length))) return length
  }
  return 0
}

function classCharacter(character: string): string {
  if (character === '\n') return '\\n'
  return /[\]\\^-]/.test(character) ? `\\${character}` : character
}
