import { characterOf, choice, literal, nothing, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import type { Decimal } from './decimal.js'

export interface DigitLimits {
  low: Decimal
  /** The low end itself lies outside. */
  lowOpen: boolean
  /** Has as many digits before the point as `low`. */
  high: Decimal
  highOpen: boolean
  /** How many digits there may be after the point. */
  places: number
}

/**
 * Numbers between two bounds with the same count of digits before the point, digit by digit from the left. A bound no
 * longer matters as soon as one digit differs from it.
 */
export class DigitRange {
  readonly #length: number

  constructor(
    readonly rules: GrammarRules,
    readonly limits: DigitLimits,
  ) {
    this.#length = limits.low.integer.length
  }

  /** `undefined` where there is no such number. */
  piece(): Piece | undefined {
    return this.#from(0, true, true)
  }

  /** What may follow after `position` digits that are those of the low end, of the high end, or of both. */
  #from(position: number, alongLow: boolean, alongHigh: boolean): Piece | undefined {
    if (!alongLow && !alongHigh) return this.#anything(position)
    if (position < this.#length) return this.#digits(position, alongLow, alongHigh)
    const { lowOpen, highOpen } = this.limits
    const onLow = alongLow && this.#isZeroFrom(this.limits.low, position)
    const onHigh = alongHigh && this.#isZeroFrom(this.limits.high, position)
    // at the low end or below it only more digits help, at the high end only zeros do
    if (alongLow && !alongHigh && onLow && !lowOpen) return this.#anything(position)
    if (!alongLow && onHigh) return highOpen ? undefined : this.#zeros(position)
    const digits =
      position < this.#length + this.limits.places ? this.#digits(position, alongLow, alongHigh) : undefined
    const more = digits === undefined || position > this.#length ? digits : sequence(literal('.'), digits)
    const mayEnd = (!alongLow || (onLow && !lowOpen)) && !(onHigh && highOpen)
    if (!mayEnd) return more
    return more === undefined ? nothing : this.rules.optional('more-digits', more)
  }

  #digits(position: number, alongLow: boolean, alongHigh: boolean): Piece | undefined {
    const low = alongLow ? digitAt(this.limits.low, position) : 0
    const high = alongHigh ? digitAt(this.limits.high, position) : 9
    if (alongLow && alongHigh && low > high) return undefined
    const options: { from: number; to: number; rest: Piece }[] = []
    const add = (from: number, to: number, rest: Piece | undefined) => {
      const last = options.at(-1)
      if (from > to || rest === undefined) return
      if (last?.rest.text === rest.text && last.to === from - 1) last.to = to
      else options.push({ from, to, rest })
    }
    if (alongLow && alongHigh && low === high) {
      add(low, low, this.#from(position + 1, true, true))
    } else {
      if (alongLow) add(low, low, this.#from(position + 1, true, false))
      add(alongLow ? low + 1 : low, alongHigh ? high - 1 : high, this.#anything(position + 1))
      if (alongHigh) add(high, high, this.#from(position + 1, false, true))
    }
    if (options.length === 0) return undefined
    // a rule of its own, as the digits of an end go fifteen deep
    return this.rules.rule(
      'digits',
      choice(options.map(({ from, to, rest }) => sequence(characterOf([[0x30 + from, 0x30 + to]]), rest))),
    )
  }

  #anything(position: number): Piece {
    const { places } = this.limits
    if (position > this.#length)
      return this.rules.repeat('digit', characterOf([[0x30, 0x39]]), 0, this.#length + places - position)
    return sequence(this.#repeatedDigit(this.#length - position), this.#fraction(characterOf([[0x30, 0x39]])))
  }

  #repeatedDigit(count: number): Piece {
    return this.rules.repeat('digit', characterOf([[0x30, 0x39]]), count, count)
  }

  #zeros(position: number): Piece {
    if (position > this.#length)
      return this.rules.repeat('zero', literal('0'), 0, this.#length + this.limits.places - position)
    return this.#fraction(literal('0'))
  }

  #fraction(digit: Piece): Piece {
    if (this.limits.places === 0) return nothing
    return this.rules.optional(
      'fraction',
      sequence(literal('.'), this.rules.repeat('digit', digit, 1, this.limits.places)),
    )
  }

  #isZeroFrom({ fraction }: Decimal, position: number): boolean {
    return /^0*$/.test(fraction.slice(position - this.#length))
  }
}

function digitAt({ integer, fraction }: Decimal, position: number): number {
  return Number((integer + fraction)[position] ?? '0')
}
