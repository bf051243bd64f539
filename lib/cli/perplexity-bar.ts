import { progressLine } from './bar.js'
import type { Scored } from './running-perplexity.js'

/** A bar on stderr with the running perplexity; nothing where stderr is no terminal. */
export function perplexityBar(label: string, tokens: number): { show: (scored: Scored) => void; end: () => void } {
  if (!process.stderr.isTTY) return { show: () => {}, end: () => {} }
  const bar = progressLine(
    `${label} {bar} {value} of {total} tokens, perplexity {perplexity}, {speed} ms a token, {eta_formatted} left`,
    { clearOnComplete: true },
  )
  bar.start(tokens, 0, { perplexity: '?', speed: '?' })
  return {
    show: ({ read, perplexity, msPerToken }) =>
      bar.update(read - 1, { perplexity: perplexity.toFixed(2), speed: msPerToken.toFixed(1) }),
    end: () => bar.stop(),
  }
}
