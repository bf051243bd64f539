import { readFileSync } from 'node:fs'

const patience = 60_000
/** More than twice what a test may take, by jest.config.js: one behind a preparation of its file. */
const silence = 2_500_000

/**
 * A reporter that ends the run where something never ends, as failed: what a test that failed has left, or a test that
 * blocks its process, so that jest's own limit does not reach it.
 */
export default class EndsInTime {
  /** Of each file that runs, the test. */
  running = new Map()

  onRunStart() {
    this.heard()
  }

  onTestFileStart({ path }) {
    this.running.set(path, '')
    this.heard()
  }

  onTestCaseStart({ path }, { fullName }) {
    this.running.set(path, fullName)
    this.heard()
  }

  onTestCaseResult() {
    this.heard()
  }

  onTestFileResult({ path }) {
    this.running.delete(path)
    this.heard()
  }

  onRunComplete() {
    clearTimeout(this.timer)
    endAfter(
      patience,
      () =>
        `Something that a test started still runs ${patience / 1000} s after the last test; the run ends here, as failed.`,
    )
  }

  names() {
    return [...this.running].map(([path, name]) => `${path}: ${name}`).join(', ')
  }

  heard() {
    clearTimeout(this.timer)
    this.timer = endAfter(
      silence,
      () => `Nothing has been heard for ${silence / 1000} s of ${this.names()}; the run ends here, as failed.`,
    )
  }
}

function endAfter(milliseconds, words) {
  const timer = setTimeout(() => {
    console.error(words())
    for (const child of children()) process.kill(child, 'SIGKILL') // one that is blocked would stay behind
    process.exit(1)
  }, milliseconds)
  timer.unref() // a program that ends in time is not kept waiting
  return timer
}

/** Where the system tells: jest's own processes. */
function children() {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
