import type { LoadProgress } from '../options/parse.js'
import { type ProgressLine, progressLine } from './bar.js'

/**
 * Shows on stderr how far a download has come: a bar on a terminal, elsewhere one line a file. Reading the file is
 * not shown, since it takes a moment only.
 */
export function progressBar(): { show: (progress: LoadProgress) => void; end: () => void } {
  let bar: ProgressLine | undefined
  let file = ''
  const end = () => {
    bar?.stop()
    bar = undefined
    file = ''
  }
  const show = (progress: LoadProgress) => {
    if (progress.stage !== 'download') return end()
    const { receivedBytes, totalBytes } = progress
    if (progress.file !== file) {
      end()
      file = progress.file
      if (process.stderr.isTTY) bar = start(file, totalBytes)
      else
        process.stderr.write(`Downloading ${file}${totalBytes === undefined ? '' : ` (${megabytes(totalBytes)} MB)`}\n`)
    }
    if (totalBytes !== undefined) bar?.setTotal(totalBytes)
    bar?.update(receivedBytes, {
      received: megabytes(receivedBytes),
      size: totalBytes === undefined ? '?' : megabytes(totalBytes),
    })
  }
  return { show, end }
}

function start(file: string, totalBytes: number | undefined): ProgressLine {
  const bar = progressLine(`Downloading ${file} {bar} {received} of {size} MB`)
  bar.start(totalBytes ?? 0, 0, { received: '0', size: '?' })
  return bar
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)
}
