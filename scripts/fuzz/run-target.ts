import { fork } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Message, Order } from './child.js'
import type { Fault, FuzzTarget } from './target.js'

/** How much is tried: what is reached last, or with `seconds` alone until they are over. */
export interface Amount {
  inputs?: number
  seconds?: number
}

export interface Outcome {
  tried: number
  seconds: number
  faults: Fault[]
  /** By how much the memory of the longest-lived process grew after its first inputs; undefined: none lived long enough. */
  grownMegabytes?: number
}

/** Inputs of one process, at most: what a fault ends is then little, and memory is looked at often. */
const inputsPerProcess = 20_000
const defaultSecondsPerInput = 5
/** An input that waits rather than computes hangs after so many times as long by the clock. */
const clockFactor = 12
const pollMilliseconds = 500

/** Tries inputs by seeds from `seed` on, in processes of their own, until the amount is reached. */
export async function runTarget(name: string, target: FuzzTarget, seed: number, amount: Amount, onFault: (fault: Fault) => void): Promise<Outcome> {
  const started = performance.now()
  const outcome: Outcome = { tried: 0, seconds: 0, faults: [] }
  const elapsed = () => (performance.now() - started) / 1_000
  const enough = () => outcome.tried >= (amount.inputs ?? (amount.seconds === undefined ? 1_000 : 0)) && elapsed() >= (amount.seconds ?? 0)
  while (!enough()) {
    const wanted = amount.inputs === undefined || outcome.tried >= amount.inputs ? Infinity : amount.inputs - outcome.tried
    const count = Math.min(wanted, target.inputsPerProcess ?? inputsPerProcess)
    // Where time alone counts, a process that is in the middle of its inputs when it is over is ended.
    const deadline = Number.isFinite(wanted) ? Infinity : started + amount.seconds! * 1_000
    const { tried, grownMegabytes } = await runProcess(name, target, seed + outcome.tried, count, deadline, fault => {
      outcome.faults.push(fault)
      onFault(fault)
    })
    outcome.tried += tried
    if (grownMegabytes !== undefined) outcome.grownMegabytes = Math.max(outcome.grownMegabytes ?? -Infinity, grownMegabytes)
  }
  outcome.seconds = elapsed()
  return outcome
}

async function runProcess(name: string, target: FuzzTarget, first: number, count: number, deadline: number, onFault: (fault: Fault) => void): Promise<{ tried: number; grownMegabytes?: number }> {
  const progressFile = path.join(os.tmpdir(), `streaming-llm-fuzz-${process.pid}-${name}`)
  writeFileSync(progressFile, '')
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [], {
    execArgv: [...process.execArgv, '--expose-gc'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { errors = (errors + text).slice(-2_000) })
  const current = () => {
    const text = readFileSync(progressFile, 'latin1').trim()
    return text === '' ? undefined : Number(text)
  }
  let done: Extract<Message, { kind: 'done' }> | undefined
  let hung = false
  let ended = false
  child.on('message', (message: Message) => {
    if (message.kind === 'done') done = message
    else onFault({ target: name, seed: message.seed, reason: message.reason, input: message.input })
  })
  const limit = target.secondsPerInput ?? defaultSecondsPerInput
  let watched: { seed: number | undefined; at: number; cpu: number } | undefined
  const watch = setInterval(() => {
    if (performance.now() > deadline) {
      ended = true
      child.kill('SIGKILL')
      return
    }
    const seed = current()
    const cpu = cpuSeconds(child.pid!)
    if (watched === undefined || watched.seed !== seed) watched = { seed, at: performance.now(), cpu }
    // The number of cores is what the CPU seconds of several threads are shared by.
    else if (seed !== undefined && (cpu - watched.cpu > limit * os.availableParallelism() || performance.now() - watched.at > limit * clockFactor * 1_000)) {
      hung = true
      child.kill('SIGKILL')
    }
  }, pollMilliseconds)
  child.send({ target: name, first, count, progressFile } satisfies Order)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(resolve => child.on('close', (...how) => resolve(how)))
  clearInterval(watch)
  const seed = current()
  rmSync(progressFile, { force: true })
  if (done !== undefined) {
    const { early, end } = done.megabytes
    return { tried: count, ...(early > 0 && { grownMegabytes: end - early }) }
  }
  if (ended) return { tried: seed === undefined ? 0 : seed - first }
  const how = hung ? `still busy after ${limit} seconds of CPU` : `the process ended with ${signal ?? `code ${code}`}: ${errors.trim().slice(-600)}`
  if (seed === undefined) throw new Error(`${name}: ${how}`)
  onFault({ target: name, seed, reason: how, input: '' })
  return { tried: seed - first + 1 }
}

/** CPU time of the process so far, of all its threads; 0 where the system does not tell. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}
