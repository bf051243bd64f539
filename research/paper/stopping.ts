/**
 * A cell's `progress` throws to end it. For work that is ended by a signal: `onProgress` passes what it throws on.
 */
export function stoppedBy(progress: (share: number) => void): {
  signal: AbortSignal
  onProgress: (done: number, total: number) => void
} {
  const stop = new AbortController()
  const onProgress = (done: number, total: number) => {
    try {
      progress(done / total)
    } catch (error) {
      stop.abort(error)
    }
  }
  return { signal: stop.signal, onProgress }
}
