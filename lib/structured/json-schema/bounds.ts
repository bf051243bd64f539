/** One end of a range of numbers. */
export interface Bound {
  value: number
  /** The value itself lies outside. */
  open: boolean
}

/** A range of numbers; an end that is absent is infinite. */
export interface Bounds {
  low?: Bound
  high?: Bound
}

export function intersectBounds(a: Bounds, b: Bounds): Bounds {
  return { low: stronger(a.low, b.low, 1), high: stronger(a.high, b.high, -1) }
}

export function isEmpty({ low, high }: Bounds): boolean {
  if (low === undefined || high === undefined) return false
  return low.value > high.value || (low.value === high.value && (low.open || high.open))
}

export function isWithin(value: number, { low, high }: Bounds): boolean {
  return (
    (low === undefined || value > low.value || (value === low.value && !low.open)) &&
    (high === undefined || value < high.value || (value === high.value && !high.open))
  )
}

function stronger(a: Bound | undefined, b: Bound | undefined, direction: 1 | -1): Bound | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.value === b.value) return { value: a.value, open: a.open || b.open }
  return (a.value - b.value) * direction > 0 ? a : b
}
