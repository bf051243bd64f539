import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

const keptErrorBytes = 4_000

/** A program that answers each line on its stdin by one line on its stdout, and ends when its stdin does. */
export class LineProcess {
  readonly #program: string
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>
  #failure: Error | undefined
  #errors = ''

  constructor(program: string, args: string[]) {
    this.#program = program
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptErrorBytes)
    })
    // A broken pipe says less than what the program wrote before it ended, which ask() reports.
    this.#child.stdin.on('error', () => undefined)
    this.#child.on('error', error => {
      this.#failure = error
    })
    this.#ended = new Promise(resolve => {
      this.#child.on('close', resolve)
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Its answer; rejects with what it wrote to stderr when it ends instead. One question at a time. */
  async ask(line: string): Promise<string> {
    if (!this.#child.stdin.write(`${line}\n`)) await Promise.race([once(this.#child.stdin, 'drain'), this.#ended])
    const { done, value } = await this.#lines.next()
    if (!done) return value
    await this.#ended
    throw new Error(`${this.#program} ended: ${this.#failure?.message ?? (this.#errors.trim() || 'without a word')}`)
  }

  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }
}
