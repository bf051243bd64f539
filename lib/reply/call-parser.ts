import type { CallSyntax } from '../tools/call-syntax.js'
import { isCut, MarkerScanner } from './marker-scanner.js'
import { type CallContext, PartialCall } from './partial-call.js'

/**
 * What may stand around calls that are complete: separators, what is left of lists and fences, one bracket too many.
 */
const filler = /[\s,;`}\]]/

/**
 * Reads what follows the opening of a call: the call and its end, and further calls where several have one opening. The
 * kinds of calls differ in how they are read inside.
 */
export abstract class CallParser {
  /** True when what was opened is over; the rest of the text is for others to read. */
  done = false
  protected readonly context: CallContext
  protected readonly close: string | undefined
  protected call: PartialCall | undefined
  #lost = false
  #moved = false
  // Between calls that need no opening: text that becomes the next one's, or is just text.
  #gap = ''
  readonly #ends: MarkerScanner

  /** `raw` is what has been read of the call: white space, and what opened it. */
  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    this.context = context
    this.close = syntax.close
    this.#ends = new MarkerScanner(syntax.close === undefined ? syntax.open : [syntax.close, ...syntax.open])
    this.call = new PartialCall(context)
    this.call.add(raw)
  }

  /**
   * Reads from there on, and returns where it stopped: at the text's end, at what is not its own (`done`), or where it
   * takes more text to tell.
   */
  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.done) {
      const before = at
      at = this.#lost ? this.#search(text, at) : this.step(text, at)
      if (at === before && !this.done && !this.#moved) break
      this.#moved = false
    }
    return at
  }

  /** The reply is over. `rest` is what `read` has left. */
  end(rest: string): void {
    if (this.call === undefined) {
      this.#say(this.#gap + rest)
    } else {
      this.call.add(rest)
      if (!this.complete) this.call.fail('The call has no end.')
      this.finish()
    }
    this.done = true
  }

  /** Whether a mark that came next would be part of the arguments. */
  get insideArguments(): boolean {
    return false
  }

  /** Whether the call that is open has all that it needs. */
  protected abstract get complete(): boolean
  /** Reads something. Returning `at` itself means that more text is needed, unless `again` was called. */
  protected abstract step(text: string, at: number): number

  /** The next step is another one, though nothing was read. */
  protected again(at: number): number {
    this.#moved = true
    return at
  }

  protected take(text: string, from: number, to: number): number {
    this.call?.add(text.slice(from, to))
    return to
  }

  /** The call is none. What it is up to its end, or up to the next call's opening, is skipped. */
  protected lose(at: number, reason: string): number {
    this.call!.fail(reason)
    this.#lost = true
    return this.again(at)
  }

  protected finish(): void {
    this.call?.finish()
    this.call = undefined
  }

  /** A call that needs no opening of its own begins. */
  protected beginNext(): void {
    this.finish()
    this.call = new PartialCall(this.context)
    this.call.add(this.#gap)
    this.#gap = ''
  }

  /**
   * Between calls, or after one: takes separators and the closing marker. `begins` is a character by which another call
   * would begin; `open` says that no call has been read yet since the opening.
   */
  protected between(text: string, at: number, begins: string, next: () => void, open: boolean): number {
    const character = text.charAt(at)
    if (this.close !== undefined) {
      if (text.startsWith(this.close, at)) {
        if (open) this.call!.fail('The call is empty.')
        return this.#over(this.take(text, at, at + this.close.length))
      }
      if (isCut(this.close, text, at)) return at
    }
    if (character === begins) {
      next()
      return this.again(at)
    }
    if (filler.test(character) || (open && character === '[')) {
      if (this.call === undefined) this.#gap += character
      else this.take(text, at, at + 1)
      return at + 1
    }
    if (open) return this.lose(at, 'The call is not valid JSON.')
    // A call without its closing marker, and then something else.
    return this.#over(at)
  }

  #over(at: number): number {
    if (this.call === undefined) this.#say(this.#gap)
    this.#gap = ''
    this.finish()
    this.done = true
    return at
  }

  #search(text: string, from: number): number {
    const found = this.#ends.find(text, from)
    const hold = this.#ends.hold(text, from)
    // What closes calls may stand within what opens them.
    if (found === undefined || hold < found.start) return this.take(text, from, hold)
    const closes = found.marker === this.close
    return this.#over(this.take(text, from, closes ? found.end : found.start))
  }

  #say(text: string): void {
    if (text !== '') this.context.emit({ type: 'text', text })
  }
}
