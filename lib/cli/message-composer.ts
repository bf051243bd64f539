/** Something to say, or a command. */
export interface Entry {
  text: string
  /** The text is meant as it stands: a slash at its start makes no command of it. */
  asIs: boolean
}

const fence = '"""'

/**
 * Makes messages of lines. A line that ends with a backslash goes on with the next; lines between two of `"""`, and
 * pasted ones, are one message as they stand.
 */
export class MessageComposer {
  #lines: string[] = []
  #inBlock = false
  #pasted = false
  #asIs = false

  /** A message has been begun and goes on. */
  get open(): boolean {
    return this.#inBlock || this.#lines.length > 0
  }

  /** Takes a line; returns the message that it completes. */
  enter(line: string): Entry | undefined {
    const isFence = line.trim() === fence
    if (this.#inBlock) {
      if (isFence) return this.end()
      this.#lines.push(line)
      return undefined
    }
    if (isFence && !this.open) {
      this.#inBlock = this.#asIs = true
      return undefined
    }
    if (line.endsWith('\\')) {
      this.#lines.push(line.slice(0, -1))
      return undefined
    }
    this.#lines.push(line)
    return this.end()
  }

  /**
   * Takes a pasted line that another one follows. `atStart`: nothing had been typed before it, so that no character of
   * what is pasted was meant for this program.
   */
  paste(line: string, atStart: boolean): void {
    if (!this.open) this.#asIs = atStart
    this.#pasted = true
    this.#lines.push(line)
  }

  /** What there is so far is the message; undefined where nothing is. */
  end(): Entry | undefined {
    if (!this.open) return undefined
    const text = this.#lines.join('\n')
    // What is copied often ends with the end of its last line.
    const entry = { text: this.#pasted && !this.#inBlock ? text.replace(/\n+$/, '') : text, asIs: this.#asIs }
    this.clear()
    return entry
  }

  clear(): void {
    this.#lines = []
    this.#inBlock = this.#pasted = this.#asIs = false
  }
}
