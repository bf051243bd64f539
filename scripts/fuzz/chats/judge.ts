import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Program } from './program.js'

/** What a program showed. */
export interface Verdict {
  kind: string
  message: string
  /** How many operations had been begun, where that is known. */
  at?: number
}

/** Seconds after which a program that has not ended never will. */
const patience = 120

/** Runs programs in a process of its own, which may end or hang. */
export class Judge {
  #child: ChildProcess | undefined

  /**
   * The fault that the program shows in one of so many runs; undefined: none. Threads run as they like, so some show up
   * at times only.
   */
  async faultOf(program: Program, runs = 1): Promise<Verdict | undefined> {
    for (let i = 0; i < runs; i++) {
      const verdict = await this.#run(program)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  #run(program: Program): Promise<Verdict | undefined> {
    const child = (this.#child ??= fork(fileURLToPath(new URL('judge-child.ts', import.meta.url)), [], {
      execArgv: process.execArgv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    }))
    return new Promise(resolve => {
      let errors = ''
      const heard = (text: Buffer) => {
        errors = (errors + text.toString()).slice(-2_000)
      }
      const done = (verdict: Verdict | undefined) => {
        clearTimeout(timer)
        child.stderr!.off('data', heard)
        child.removeAllListeners('message').removeAllListeners('close')
        resolve(verdict)
      }
      const gone = (kind: string) => {
        this.#child = undefined
        done({ kind, message: errors.trim() })
      }
      const timer = setTimeout(() => {
        child.removeAllListeners('close').kill('SIGKILL')
        gone('hang')
      }, patience * 1_000)
      child.stderr!.on('data', heard)
      child.on('message', (verdict: Verdict | null) => done(verdict ?? undefined))
      child.on('close', (code, signal) => gone(`the process ended with ${signal ?? `code ${code}`}`))
      child.send(program)
    })
  }

  close(): void {
    this.#child?.removeAllListeners('close').kill('SIGKILL')
    this.#child = undefined
  }
}
