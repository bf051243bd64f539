/**
 * A signal that fires with the first of several; `letGo` stops listening to them. Unlike AbortSignal.any, Node 20.0 has it,
 * and nothing stays behind at signals that live as long as the program.
 */
export function linkedSignal(signals: readonly (AbortSignal | undefined)[]): { signal: AbortSignal; letGo: () => void } {
  const controller = new AbortController()
  const given = signals.filter(signal => signal !== undefined)
  const listeners = given.map(signal => {
    const abort = () => controller.abort(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    return abort
  })
  return { signal: controller.signal, letGo: () => given.forEach((signal, i) => signal.removeEventListener('abort', listeners[i]!)) }
}
