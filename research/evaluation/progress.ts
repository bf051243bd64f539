/** Tells of progress, from 0 to 1, at each multiple of `step` that it passes. */
export function inSteps(step: number, tell: (share: number) => void): (share: number) => void {
  let next = step
  return share => {
    if (share < next) return
    tell(share)
    next = step * (Math.floor(share / step) + 1)
  }
}
