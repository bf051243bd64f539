import cliProgress from 'cli-progress'
import type { Scored } from './running-perplexity.js'

/** A bar on stderr with the running perplexity; nothing where stderr is no terminal. */
export function perplexityBar(label: string, tokens: number): { show: (scored: Scored) => void; end: () => void } {
  if (!process.stderr.isTTY) return { show: () => {}, end: () => {} }
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: `${label} {bar} {value} of {total} tokens, perplexity {perplexity}, {speed} ms a token, {eta_formatted} left`,
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // it would take SIGINT for itself
  })
  bar.start(tokens, 0, { perplexity: '?', speed: '?' })
  return {
    show: ({ read, perplexity, msPerToken }) => bar.update(read - 1, { perplexity: perplexity.toFixed(2), speed: msPerToken.toFixed(1) }),
    end: () => bar.stop(),
  }
}
