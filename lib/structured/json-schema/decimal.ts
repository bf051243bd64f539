/** A number of no sign in digits: no zeros in front but a single one, none at the end of the fraction. */
export interface Decimal {
  integer: string
  fraction: string
}

/**
 * The digits that JavaScript writes a finite number from 0 with, the fewest that read as the same number, without an
 * exponent.
 */
export function decimal(value: number): Decimal {
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const significant = digits.replace('.', '')
  const point = 1 + Number(exponent)
  const padded = significant.padEnd(point, '0')
  const integer = point > 0 ? padded.slice(0, point) : '0'
  const fraction = point > 0 ? padded.slice(point) : '0'.repeat(-point) + padded
  return { integer, fraction: fraction.replace(/0+$/, '') }
}
