/** Thrown when Ctrl-C ended the program before it was done. */
export class Interrupted extends Error {
  constructor() {
    super('Interrupted')
  }
}

/** Thrown where an output does not take what is written, as on a full disk. */
export class OutputFailed extends Error {
  constructor(cause: unknown, output = 'The output') {
    super(`${output} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** Thrown when the reader of the output has left, as `head` does: the program ends, and that is no failure. */
export class ReaderLeft extends Error {
  constructor(cause: unknown) {
    super('Nobody reads the output any more', { cause })
  }
}

/**
 * Whether writing failed because the reader has left: a pipe, one of Windows, or a socket is closed at its other end.
 */
export function readerLeft(error: unknown): boolean {
  return ['EPIPE', 'EOF', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')
}

const reported = new Set<string>()

/** Says what went wrong, without a stack, and sets the exit code: 130 after Ctrl-C, else 1. */
export function reportFailure(error: unknown): void {
  if (error instanceof ReaderLeft) return
  if (error instanceof OutputFailed) {
    // Each write fails again, and both the stream and the writer report it: once is enough.
    if (reported.has(error.message)) return
    reported.add(error.message)
  }
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
