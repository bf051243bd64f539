/** Thrown when Ctrl-C ended the program before it was done. */
export class Interrupted extends Error {
  constructor() {
    super('Interrupted')
  }
}

/** Says what went wrong, without a stack, and sets the exit code: 130 after Ctrl-C, else 1. */
export function reportFailure(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof Interrupted ? 130 : 1
}

/** A signal that fires at Ctrl-C; `release` gives Ctrl-C its usual meaning back. */
export function onInterrupt(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const interrupt = () => controller.abort(new Interrupted())
  process.once('SIGINT', interrupt) // once: a second one ends the program whatever it does
  return { signal: controller.signal, release: () => process.off('SIGINT', interrupt) }
}
