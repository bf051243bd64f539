import { followingController, untilAborted } from './abort.js'

/** Lets one thing happen after another, in the order in which they asked. */
export class PromiseQueue {
  #tail: Promise<void> = Promise.resolve()

  /**
   * Waits for its turn and returns the function that ends it; undefined where a signal fires while it waits. A turn
   * that nothing is before begins whatever the signals say.
   */
  async acquire(...signals: readonly (AbortSignal | undefined)[]): Promise<(() => void) | undefined> {
    let release!: () => void
    const before = this.#tail
    const mine = new Promise<void>(resolve => (release = resolve))
    this.#tail = before.then(() => mine)
    let idle = false
    const ready = before.then(() => void (idle = true))
    await Promise.race([Promise.resolve(), ready])
    if (!idle) {
      try {
        const { controller, unlink } = followingController(...signals)
        await untilAborted(ready, controller.signal).catch(() => {})
        unlink()
      } catch (error) {
        release() // what never had its turn is waited for by nothing
        throw error
      }
    }
    if (idle) return release
    release()
    return undefined
  }
}
