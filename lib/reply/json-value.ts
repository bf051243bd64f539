import { isSpace } from './marker-scanner.js'

/**
 * Follows one JSON value through a text that comes in pieces, up to its end. It looks at strings and brackets only;
 * that all is right is for `JSON.parse` to say, once.
 */
export class JsonValue {
  complete = false
  /**
   * What the last `read` has read of the value. Line breaks and the like that stand bare in a string, as models do
   * write them, are escaped.
   */
  piece = ''
  #depth = 0
  #string = false
  #escaped = false
  #begun = false

  /** Reads from there on. Returns the position after what belongs to the value. */
  read(text: string, from: number): number {
    let at = from
    let kept = from
    this.piece = ''
    while (at < text.length && !this.complete) {
      const code = text.charCodeAt(at)
      if (this.#string) {
        at++
        if (this.#escaped) this.#escaped = false
        else if (code === 0x5c) this.#escaped = true
        else if (code === 0x22) this.#leave()
        if (code < 0x20) {
          this.piece += text.slice(kept, at - 1) + escaped(code)
          kept = at
        }
      } else if (code === 0x22) {
        at++
        this.#string = this.#begun = true
      } else if (code === 0x7b || code === 0x5b) {
        at++
        this.#depth++
        this.#begun = true
      } else if (code === 0x7d || code === 0x5d) {
        // A bracket that ends what the value stands in.
        if (this.#depth === 0) this.complete = true
        else {
          at++
          if (--this.#depth === 0) this.complete = true
        }
      } else if (this.#depth === 0 && this.#begun && (code === 0x2c || isSpace(text.charAt(at)))) {
        this.complete = true // a number or a word has no end of its own
      } else {
        at++
        this.#begun = true
      }
    }
    this.piece += text.slice(kept, at)
    return at
  }

  #leave(): void {
    this.#string = false
    if (this.#depth === 0) this.complete = true
  }
}

function escaped(code: number): string {
  return JSON.stringify(String.fromCharCode(code)).slice(1, -1)
}
