/** When a turn has to be over. Its timer keeps the process alive, since the caller waits for the turn. */
export class Deadline {
  readonly #end: number
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  /** @param limit milliseconds from now on; undefined: never */
  constructor(limit: number | undefined) {
    this.#end = limit === undefined ? Infinity : performance.now() + limit
    // Longer timers fire at once.
    if (limit !== undefined && limit < 2 ** 31) this.#timer = setTimeout(() => this.#controller.abort(), limit)
  }

  /** Fires when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get passed(): boolean {
    return this.signal.aborted
  }

  /** Milliseconds that are left, more than 0; undefined: any number. */
  get left(): number | undefined {
    return this.#end === Infinity ? undefined : Math.max(0.001, this.#end - performance.now())
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
