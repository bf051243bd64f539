/** A line on a terminal that tells how far something has come. */
export interface ProgressLine {
  start(total: number, value: number, words?: Record<string, string | number>): void
  setTotal(total: number): void
  update(value: number, words?: Record<string, string | number>): void
  stop(): void
}

export interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

const width = 24 // of the bar, in characters
const everyMs = 100 // more often than the eye follows

/**
 * A bar on stderr, as all of our programs show it; nothing where stderr is no terminal. The format may name `{bar}`,
 * `{percentage}`, `{value}`, `{total}`, `{eta_formatted}`, and whatever words `start` and `update` are given.
 *
 * @param options.clearOnComplete takes the line away at the end; default: it stays
 */
export function progressLine(
  format: string,
  { clearOnComplete = false } = {},
  terminal: Terminal = process.stderr,
  now: () => number = () => performance.now(),
): ProgressLine {
  if (!terminal.isTTY) return { start() {}, setTotal() {}, update() {}, stop() {} }
  let [total, value, began, drawn] = [0, 0, 0, -Infinity]
  let words: Record<string, string | number> = {}
  let running = false
  const draw = (): void => {
    drawn = now()
    const share = total > 0 ? Math.min(1, value / total) : 0
    const full = Math.round(share * width)
    const all: Record<string, string | number> = {
      bar: '\u2588'.repeat(full) + '\u2591'.repeat(width - full),
      percentage: Math.floor(share * 100),
      value,
      total,
      eta_formatted: remaining(share, drawn - began),
      ...words,
    }
    const line = format.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(all[name] ?? ''))
    // A line that wraps could not be drawn over.
    terminal.write(`\r${[...line].slice(0, Math.max(1, (terminal.columns ?? 80) - 1)).join('')}\x1b[K`)
  }
  return {
    start(max, initial, given = {}) {
      ;[total, value, words, began, running] = [max, initial, given, now(), true]
      terminal.write('\x1b[?25l') // without the cursor, which would jump about
      draw()
    },
    setTotal(max) {
      total = max
    },
    update(next, given = {}) {
      value = next
      words = { ...words, ...given }
      if (running && now() - drawn >= everyMs) draw()
    },
    stop() {
      if (!running) return
      running = false
      if (clearOnComplete) terminal.write('\r\x1b[K')
      else {
        draw()
        terminal.write('\n')
      }
      terminal.write('\x1b[?25h')
    },
  }
}

/** The time that is left at the speed so far: `45s`, `3m20s`, `1h05m`; `?` before anything is done. */
function remaining(share: number, elapsedMs: number): string {
  if (share === 0) return '?'
  const seconds = Math.round((elapsedMs / share - elapsedMs) / 1000)
  const two = (count: number): string => String(count).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
  return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`
}
