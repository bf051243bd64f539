export function mean(values: number[]): number {
  return sum(values) / values.length
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** The smallest value that at least this share of the values does not exceed; NaN of none. */
export function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

/** The middle value, of an even number of them the mean of the two in the middle; NaN of none. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
