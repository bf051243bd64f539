import { characterOf, choice, literal, nothing, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import type { Bound, Bounds } from './bounds.js'
import { type Decimal, decimal } from './decimal.js'
import { DigitRange } from './digit-range.js'

/**
 * A number of so many digits stays the same when it is read as a double and written again. Two numbers that differ
 * within these digits are different doubles, so comparing the digits compares the numbers.
 */
const maxDigits = 15
/** All integers up to here are doubles, though they have one digit more. */
const maxInteger = Number.MAX_SAFE_INTEGER

/**
 * Numbers within bounds, of at most 15 digits before and after the point together, or `undefined` where there are none.
 * Integers are written without a point, and up to 2^53-1 where a bound asks for more than 15 digits. Only numbers
 * without bounds may have an exponent, of up to two digits.
 */
export function numberPiece(rules: GrammarRules, bounds: Bounds, whole: boolean): Piece | undefined {
  const { low, high } = bounds
  if (low === undefined && high === undefined) return anyNumber(rules, whole)
  const options: Piece[] = []
  if (high === undefined || high.value >= 0) {
    const from = low !== undefined && low.value >= 0 ? edge(low) : edge({ value: 0, open: false })
    add(magnitudes(rules, from, high === undefined ? undefined : edge(high), whole))
  }
  if (low === undefined || low.value < 0) {
    // not from zero itself, which is there without a sign
    const from = high !== undefined && high.value < 0 ? edge(high) : edge({ value: 0, open: true })
    const below = magnitudes(rules, from, low === undefined ? undefined : edge(low), whole)
    add(below === undefined ? undefined : sequence(literal('-'), below))
  }
  return options.length === 0 ? undefined : choice(options)

  function add(piece: Piece | undefined): void {
    if (piece !== undefined) options.push(piece)
  }
}

/** The distance of a bound from zero. */
interface Edge {
  at: Decimal
  open: boolean
}

function edge({ value, open }: Bound): Edge {
  return { at: decimal(Math.abs(value)), open }
}

/** Numbers of no sign between two edges, a number of digits before the point at a time. */
function magnitudes(rules: GrammarRules, from: Edge, to: Edge | undefined, whole: boolean): Piece | undefined {
  const max = whole ? String(maxInteger).length : maxDigits
  // an integer of more digits than the usual may not have any of them
  const limit = whole && (to !== undefined || from.at.integer.length > maxDigits) ? limited(to) : to
  // beyond as many digits as there can be, a bound is none
  const end = limit !== undefined && limit.at.integer.length <= max ? limit : undefined
  const options: Piece[] = []
  const first = from.at.integer.length
  const last = end?.at.integer.length ?? first
  for (let length = first; length <= Math.min(last, max); length++) {
    const min = length === first ? from : { at: { integer: `1${'0'.repeat(length - 1)}`, fraction: '' }, open: false }
    const greatest =
      length === last && end !== undefined
        ? end
        : { at: { integer: '9'.repeat(length), fraction: '9'.repeat(maxDigits) }, open: false }
    const places = whole ? 0 : Math.max(0, maxDigits - length)
    const piece = new DigitRange(rules, {
      low: min.at,
      lowOpen: min.open,
      high: greatest.at,
      highOpen: greatest.open,
      places,
    }).piece()
    if (piece !== undefined) options.push(piece)
  }
  if (end === undefined && first < maxDigits) {
    options.push(
      sequence(
        digit(1),
        rules.repeat('digit', digit(0), first, first),
        moreDigits(rules, maxDigits - first - 1, whole),
      ),
    )
  }
  return options.length === 0 ? undefined : choice(options)
}

function limited(to: Edge | undefined): Edge {
  const max = String(maxInteger)
  const isLess =
    to !== undefined &&
    (to.at.integer.length < max.length || (to.at.integer.length === max.length && to.at.integer <= max))
  return isLess ? to : edge({ value: maxInteger, open: false })
}

function anyNumber(rules: GrammarRules, whole: boolean): Piece {
  const sign = rules.optional('minus', literal('-'))
  if (whole)
    return rules.rule(
      'integer',
      choice([literal('0'), sequence(sign, digit(1), moreDigits(rules, maxDigits - 1, true))]),
    )
  const fraction = rules.optional('fraction', sequence(literal('.'), rules.repeat('digit', digit(0), 1, maxDigits - 1)))
  const exponent = sequence(
    characterOf([
      [0x45, 0x45],
      [0x65, 0x65],
    ]),
    rules.optional(
      'sign',
      characterOf([
        [0x2b, 0x2b],
        [0x2d, 0x2d],
      ]),
    ),
    rules.repeat('digit', digit(0), 1, 2),
  )
  const magnitude = choice([
    sequence(literal('0'), fraction),
    sequence(digit(1), moreDigits(rules, maxDigits - 1, false)),
  ])
  return rules.rule('number', sequence(sign, magnitude, rules.optional('exponent', exponent)))
}

/** What may follow after the first digits, of which `left` more are allowed before and after the point together. */
function moreDigits(rules: GrammarRules, left: number, whole: boolean): Piece {
  if (whole) return rules.repeat('digit', digit(0), 0, left)
  let piece = nothing
  for (let digits = 1; digits <= left; digits++) {
    piece = rules.optional(
      `digits-${digits}`,
      choice([sequence(digit(0), piece), sequence(literal('.'), rules.repeat('digit', digit(0), 1, digits))]),
    )
  }
  return piece
}

function digit(from: number): Piece {
  return characterOf([[0x30 + from, 0x39]])
}
