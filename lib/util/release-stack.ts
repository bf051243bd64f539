type Release = () => void | Promise<void>

/** What has been acquired, to be released in the opposite order: each release may use what was acquired before it. */
export class ReleaseStack {
  readonly #releases: Release[] = []
  #released: Promise<void> | undefined

  /** Says how to release what has just been acquired. */
  add(release: Release): void {
    this.#releases.push(release)
  }

  /**
   * Releases everything, the latest first; the first release begins before this returns. One that fails keeps none from
   * their turn; the first failure is thrown at the end. Idempotent.
   */
  release(): Promise<void> {
    return (this.#released ??= this.#releaseAll())
  }

  async #releaseAll(): Promise<void> {
    const failures: unknown[] = []
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** What `work` makes, which then owns the stack. Where it fails, what it has acquired is released before it rejects. */
export async function acquiring<T>(work: (held: ReleaseStack) => Promise<T>): Promise<T> {
  const held = new ReleaseStack()
  try {
    return await work(held)
  } catch (error) {
    await held.release().catch(() => {}) // why the work failed is what the caller has to know
    throw error
  }
}
