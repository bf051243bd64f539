import type { ChatMessage } from '../../../lib/index.js'
import { apart, endsApart } from './fault.js'

/** Anything that is no whole character, and so may be cut anywhere. */
const broken = /\ufffd/g

interface Said {
  role: string
  content: string
  /** It is not in the window any more. */
  left: boolean
}

/** What a conversation really holds. */
export interface Observed {
  messages: readonly ChatMessage[]
  /** Those that count as being in the window. */
  present: readonly ChatMessage[]
  system: string | undefined
  /** The texts of the kept tokens: of all, of the sinks, and of the others. */
  kept: string
  sinks: string
  window: string
  /** Of the first tokens of the window, which may have been evicted and brought back. */
  windowStart: string
  keptTokens: number
  /** Of the whole conversation. */
  usage: { seenTokens: number; cachedTokens: number; evictedTokens: number }
}

/** What a conversation holds, as far as its callers can know: its messages, and so the text of its prompt. */
export class ExpectedChat {
  #said: Said[] = []
  system: string | undefined
  /**
   * Its system prompt was another when what it holds was decoded: with several layers, what has seen that one is not as
   * if it had not.
   */
  hadOtherSystem = false
  readonly #bosText: string
  readonly #keepsAll: boolean

  /** `bosText`: the text of the token that all prompts begin with. */
  constructor(
    messages: readonly ChatMessage[],
    system: string | undefined,
    { bosText, keepsAll }: { bosText: string; keepsAll: boolean },
  ) {
    this.#bosText = bosText
    this.#keepsAll = keepsAll
    this.system = system
    this.say(messages)
  }

  clone(): ExpectedChat {
    const copy = new ExpectedChat([], this.system, { bosText: this.#bosText, keepsAll: this.#keepsAll })
    copy.#said = this.#said.map(message => ({ ...message }))
    copy.hadOtherSystem = this.hadOtherSystem
    return copy
  }

  say(messages: readonly ChatMessage[]): this {
    for (const { role, content } of messages) this.#said.push({ role, content, left: false })
    return this
  }

  /** Those in the window. */
  get present(): ChatMessage[] {
    return this.#said.filter(({ left }) => !left).map(plain)
  }

  get messages(): ChatMessage[] {
    return this.#keepsAll ? this.#said.map(plain) : this.present
  }

  /** Takes the last messages back, of which all are present. */
  removeLast(count: number): ChatMessage[] {
    return this.#said.splice(this.#said.length - count, count).map(plain)
  }

  /** How many messages the last exchanges have, as far as they are in the window. */
  lastExchanges(count: number): number {
    const { present } = this
    let from = present.length
    for (let i = 0; i < count && from > 0; i++)
      from = present.slice(0, from - 1).findLastIndex(({ role }) => role === 'assistant') + 1
    return present.length - from
  }

  /** There is a reply in the window to a message that is there too. */
  get hasReply(): boolean {
    const [before, last] = this.present.slice(-2)
    return last?.role === 'assistant' && before!.role !== 'assistant'
  }

  /**
   * Compares with what is there, and learns which messages have left. Returns what does not agree; then nothing has
   * been learned.
   */
  compare(observed: Observed): string | undefined {
    if (observed.system !== this.system)
      return `system: expected ${JSON.stringify(this.system)}, got ${JSON.stringify(observed.system)}`
    const { seenTokens, cachedTokens, evictedTokens } = observed.usage
    // Where all is to be decoded again with the next turn, the rest is neither.
    if (cachedTokens > 0 ? seenTokens !== cachedTokens + evictedTokens : seenTokens < evictedTokens)
      return `usage: ${seenTokens} tokens seen are not ${cachedTokens} cached and ${evictedTokens} evicted`
    if (observed.keptTokens !== cachedTokens)
      return `usage: ${cachedTokens} tokens are said to be cached, and ${observed.keptTokens} are kept`
    const decoded = observed.keptTokens > 0
    const whole = this.#rendered(0)
    if (decoded) {
      const wrong = this.#differs(observed, whole.text)
      if (wrong !== undefined) return wrong
    }
    const anew = this.#said.findIndex((_, i) => clean(this.#rendered(i).text) === clean(observed.kept))
    // The last bytes of a character that has been cut are there, whosever they are.
    const rest = clean(observed.window).length + (observed.window.startsWith('\ufffd') ? 1 : 0)
    const wrong = this.#missing(
      observed,
      this.#leaving(observed, i => clean(whole.text.slice(whole.ends[i])).length >= rest),
    )
    // The same text may be what is left of a history, and a history that was decoded anew.
    if (
      wrong !== undefined &&
      (anew < 0 ||
        this.#missing(
          observed,
          this.#leaving(observed, i => i < anew),
        ) !== undefined)
    )
      return wrong
    const gone = this.#said.length - observed.present.length
    this.#said.forEach((message, i) => {
      message.left = i < gone
    })
    return undefined
  }

  /** Which messages have left, if these have that something has been evicted of. */
  #leaving({ keptTokens, usage }: Observed, hasLeft: (i: number) => boolean): boolean[] {
    return this.#said.map(({ left }, i) => left || (keptTokens > 0 && usage.evictedTokens > 0 && hasLeft(i)))
  }

  /** Whether the kept text is that of the messages: all of it, or the beginning and the end. */
  #differs(observed: Observed, whole: string): string | undefined {
    const sinks = clean(observed.sinks)
    const window = clean(observed.window)
    const kept = clean(observed.kept)
    if (observed.usage.evictedTokens === 0) {
      // What was told to have left, and brought back, has left all the same where the rest was decoded anew since.
      const gone = this.#said.findIndex(({ left }) => !left)
      return kept === clean(whole) || (gone > 0 && kept === clean(this.#rendered(gone).text))
        ? undefined
        : `kept: ${apart(clean(whole), kept)}`
    }
    // Where the conversation was decoded anew, it began with what was in the window then.
    const texts = this.#said.map((_, i) => clean(this.#rendered(i).text))
    if (texts.some(text => text === kept || (text.startsWith(sinks) && text.endsWith(window)))) return undefined
    return texts.some(text => text.endsWith(window))
      ? `kept: sinks: ${apart(clean(whole), sinks)}`
      : `kept: ${endsApart(clean(whole), window)}`
  }

  #missing(observed: Observed, left: readonly boolean[]): string | undefined {
    const all = this.#said.map(plain)
    const expected = all.filter((_, i) => !left[i])
    const { messages, present } = observed
    const same = (one: readonly ChatMessage[], other: readonly ChatMessage[]) =>
      JSON.stringify(one) === JSON.stringify(other)
    const differs = (wanted: readonly ChatMessage[], got: readonly ChatMessage[]) =>
      `messages: ${apart(JSON.stringify(wanted), JSON.stringify(got))}`
    const shown = this.#keepsAll ? all : present
    if (!same(shown, messages)) return differs(shown, messages)
    if (same(expected, present)) return undefined
    if (present.length > expected.length || !same(all.slice(all.length - present.length), present))
      return differs(expected, present)
    // Told to have left, and brought back since.
    const { text, ends } = this.#rendered(0)
    const behind = clean(text.slice(ends[all.length - present.length - 1])).length
    return clean(observed.window).length - behind <= clean(observed.windowStart).length
      ? undefined
      : differs(expected, present)
  }

  /**
   * The prompt (ChatML) from the message `from` on, and where each message ends in it: up to and with the opening of
   * the reply to it.
   */
  #rendered(from: number): { text: string; ends: number[] } {
    const ends: number[] = []
    const said = this.#said.slice(from)
    let text = this.#bosText + (this.system === undefined ? '' : `<|im_start|>system\n${this.system}<|im_end|>\n`)
    said.forEach(({ role, content }, i) => {
      const before = said[i - 1]?.role
      if (before === 'assistant') text += '<|im_end|>\n'
      if (role === 'assistant') {
        if (before === undefined || before === 'assistant') text += '<|im_start|>assistant\n'
        text += content
        ends.push(text.length)
        return
      }
      text += `<|im_start|>${role}\n${content}<|im_end|>\n`
      const next = said[i + 1]?.role
      if (next === undefined || next === 'assistant') {
        text += '<|im_start|>assistant\n'
        while (ends.length <= i) ends.push(text.length)
      }
    })
    return { text, ends }
  }
}

function plain({ role, content }: Said): ChatMessage {
  return { role, content }
}

function clean(text: string): string {
  return text.replace(broken, '')
}
