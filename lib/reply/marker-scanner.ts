import { escapePattern } from '../util/escape-pattern.js'

/** Where a marker was found. */
export interface FoundMarker {
  start: number
  end: number
  marker: string
}

/** Looks for the first of several markers in a text of which more is to come. */
export class MarkerScanner {
  readonly #markers: readonly string[]
  // One pattern for all, since looking for each by itself would read far ahead again and again for one that never
  // comes.
  readonly #pattern: RegExp
  readonly #maxLength: number

  constructor(markers: readonly string[]) {
    this.#markers = markers
    this.#maxLength = Math.max(0, ...markers.map(marker => marker.length))
    this.#pattern = new RegExp(markers.length === 0 ? '(?!)' : markers.map(escapePattern).join('|'), 'g')
  }

  get empty(): boolean {
    return this.#markers.length === 0
  }

  find(text: string, from: number): FoundMarker | undefined {
    this.#pattern.lastIndex = from
    const found = this.#pattern.exec(text)
    return found === null ? undefined : { start: found.index, end: found.index + found[0].length, marker: found[0] }
  }

  isAt(text: string, at: number): boolean {
    return this.#markers.some(marker => text.startsWith(marker, at))
  }

  /** From where on the end of the text could be the start of a marker; the text's length if it couldn't. */
  hold(text: string, from: number): number {
    for (let at = Math.max(from, text.length - this.#maxLength + 1); at < text.length; at++) {
      if (this.#markers.some(marker => isCut(marker, text, at))) return at
    }
    return text.length
  }
}

/** Whether the text from there on is the start of the marker, but not all of it. */
export function isCut(marker: string, text: string, at: number): boolean {
  const length = text.length - at
  if (length <= 0 || length >= marker.length) return false
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(at + i) !== marker.charCodeAt(i)) return false
  }
  return true
}

const space = /\s/

export function isSpace(character: string): boolean {
  return space.test(character)
}

/** The first position from there on that isn't white space. */
export function afterSpace(text: string, at: number): number {
  while (at < text.length && isSpace(text.charAt(at))) at++
  return at
}
