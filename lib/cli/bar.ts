import cliProgress from 'cli-progress'

/** A bar on stderr, as all of our programs show it. */
export function progressLine(format: string, more: cliProgress.Options = {}): cliProgress.SingleBar {
  return new cliProgress.SingleBar({
    stream: process.stderr,
    format,
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    barsize: 24,
    hideCursor: true,
    gracefulExit: false, // it would take SIGINT for itself
    ...more,
  })
}
