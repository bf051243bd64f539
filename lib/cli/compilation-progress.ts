import { type ProgressLine, progressLine } from './bar.js'

/** Shows on stderr how much has been compiled: a bar on a terminal, elsewhere a line at each tenth. */
export function compilationProgress(title: string): { show: (share: number) => void; end: () => void } {
  let bar: ProgressLine | undefined
  let said = 0
  return {
    show: share => {
      const percent = Math.floor(share * 100)
      if (percent < said + (process.stderr.isTTY ? 1 : 10)) return
      said = percent
      if (!process.stderr.isTTY) return void process.stderr.write(`  ${percent} %\n`)
      if (bar === undefined) {
        bar = progressLine(`${title} {bar} {percentage} %`)
        bar.start(100, 0)
      }
      bar.update(percent)
    },
    end: () => {
      bar?.stop()
      bar = undefined
    },
  }
}
