import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { typescript } from './child-program.js'

/** A program of this repository in a process of its own, started as its user would, to be talked with while it runs. */
export class RunningProgram {
  /** All that it has printed. */
  shown = ''
  /** All that it has printed to stderr: pipes are read in any order. */
  errors = ''
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #child
  #waiting = () => {}
  #seen = 0

  constructor(file: string, args: readonly string[]) {
    this.#child = spawn(process.execPath, [...typescript, file, ...args], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      timeout: 500_000, // before a test's own end, so that it does not stay behind
      killSignal: 'SIGKILL',
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text
      this.#waiting()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.#child.stdin.on('error', () => {}) // where it has ended
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', (code, signal) => resolve({ code, signal }))
    })
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  endInput(): void {
    this.#child.stdin.end()
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until what it has printed since the last such wait matches; throws where it ends before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const matched = new Promise<RegExpExecArray>(resolve => {
      this.#waiting = () => {
        const match = pattern.exec(this.shown.slice(this.#seen))
        if (match === null) return
        this.#seen += match.index + match[0].length
        this.#waiting = () => {}
        resolve(match)
      }
      this.#waiting()
    })
    const ended = this.ended.then(() => {
      throw new Error(`It ended before ${pattern} came:\n${this.shown}\n${this.errors}`)
    })
    return await Promise.race([matched, ended])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}
