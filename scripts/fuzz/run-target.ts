import { fork } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Message, Order, Progress } from './child.js'
import { type Fault, type FuzzTarget, seedBytes } from './target.js'

/** How much is tried: what is reached last, or with `seconds` alone until they are over. */
export interface Amount {
  inputs?: number
  seconds?: number
}

export interface Outcome {
  tried: number
  seconds: number
  faults: Fault[]
  /** What came of inputs, by how often. */
  outcomes: Record<string, number>
  /** The input that took most of the CPU. */
  slowest: { seconds: number; seed: number }
  /**
   * By how much the memory of the longest-lived process grew after its first inputs; undefined: none lived long enough.
   */
  grownMegabytes?: number
}

export interface Listener {
  onFault(fault: Fault): void
  /** Once in a while: inputs tried so far, and the memory of the process that tries them. */
  onProgress?(tried: number, megabytes: number): void
}

/** Inputs of one process, at most: what a fault ends is then little. */
const inputsPerProcess = 20_000
const defaultSecondsPerInput = 5
/** An input that waits rather than computes hangs after so many times as long by the clock. */
const clockFactor = 12
const pollMilliseconds = 500
/**
 * Samples of the memory: the first are taken before all caches are warm; and how many it takes to say that it grows.
 */
const warmSamples = 3
const minSamples = 12

/** Tries inputs by seeds from `seed` on, in processes of their own, until the amount is reached. */
export async function runTarget(
  name: string,
  target: FuzzTarget,
  seed: number,
  amount: Amount,
  { onFault, onProgress }: Listener,
): Promise<Outcome> {
  const started = performance.now()
  const outcome: Outcome = { tried: 0, seconds: 0, faults: [], outcomes: {}, slowest: { seconds: 0, seed } }
  const elapsed = () => (performance.now() - started) / 1_000
  const enough = () =>
    outcome.tried >= (amount.inputs ?? (amount.seconds === undefined ? 1_000 : 0)) && elapsed() >= (amount.seconds ?? 0)
  while (!enough()) {
    const wanted =
      amount.inputs === undefined || outcome.tried >= amount.inputs ? Infinity : amount.inputs - outcome.tried
    const count = Math.min(wanted, target.inputsPerProcess ?? inputsPerProcess)
    // Where time alone counts, a process that is in the middle of its inputs when it is over is ended.
    const deadline = Number.isFinite(wanted) ? Infinity : started + amount.seconds! * 1_000
    const { tried, grownMegabytes, last } = await runProcess(name, target, seed + outcome.tried, count, deadline, {
      onFault: fault => {
        outcome.faults.push(fault)
        onFault(fault)
      },
      onProgress: (tried, megabytes) => onProgress?.(outcome.tried + tried, megabytes),
    })
    outcome.tried += tried
    for (const [what, times] of Object.entries(last?.outcomes ?? {}))
      outcome.outcomes[what] = (outcome.outcomes[what] ?? 0) + times
    if (last !== undefined && last.slowest.seconds > outcome.slowest.seconds) outcome.slowest = last.slowest
    if (grownMegabytes !== undefined)
      outcome.grownMegabytes = Math.max(outcome.grownMegabytes ?? -Infinity, grownMegabytes)
  }
  outcome.seconds = elapsed()
  return outcome
}

interface Ran {
  tried: number
  grownMegabytes?: number
  last?: Progress
}

async function runProcess(
  name: string,
  target: FuzzTarget,
  first: number,
  count: number,
  deadline: number,
  { onFault, onProgress }: Required<Listener>,
): Promise<Ran> {
  const progressFile = path.join(
    os.tmpdir(),
    `streaming-llm-fuzz-${process.pid}-${name.replace(/\W+/g, '-').slice(-40)}`,
  )
  writeFileSync(progressFile, '')
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [], {
    execArgv: [...(process.execArgv.includes('--import') ? process.execArgv : ['--import', 'tsx']), '--expose-gc'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000)
  })
  const current = () => {
    const bytes = readFileSync(progressFile)
    const text = bytes.toString('latin1', 0, seedBytes).trim()
    return { seed: text === '' ? undefined : Number(text), input: bytes.toString('utf8', seedBytes) }
  }
  const samples: number[] = []
  let last: Progress | undefined
  let done = false
  let hung = false
  let ended = false
  child.on('message', (message: Message) => {
    if (message.kind === 'fault')
      return onFault({ target: name, seed: message.seed, reason: message.reason, input: message.input })
    last = message
    done = message.kind === 'done'
    samples.push(message.megabytes)
    onProgress(message.tried, message.megabytes)
  })
  const limit = target.secondsPerInput ?? defaultSecondsPerInput
  let watched: { seed: number | undefined; at: number; cpu: number } | undefined
  const watch = setInterval(() => {
    if (performance.now() > deadline) {
      ended = true
      child.kill('SIGKILL')
      return
    }
    const { seed } = current()
    const cpu = cpuSeconds(child.pid!)
    if (watched === undefined || watched.seed !== seed) watched = { seed, at: performance.now(), cpu }
    // Each of those that run side by side has its own.
    else if (
      seed !== undefined &&
      (cpu - watched.cpu > limit * (target.atOnce ?? 1) || performance.now() - watched.at > limit * clockFactor * 1_000)
    ) {
      hung = true
      child.kill('SIGKILL')
    }
  }, pollMilliseconds)
  child.send({ target: name, first, count, progressFile, limit } satisfies Order)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(resolve =>
    child.on('close', (...how) => resolve(how)),
  )
  clearInterval(watch)
  const { seed, input } = current()
  rmSync(progressFile, { force: true })
  const grown = growth(samples)
  if (done) return { tried: count, last, ...grown }
  if (ended) return { tried: seed === undefined ? 0 : seed - first, last, ...grown }
  const how = hung
    ? `still busy after ${limit} seconds of CPU`
    : `the process ended with ${signal ?? `code ${code}`}: ${errors.trim().slice(-1_500)}`
  if (seed === undefined) throw new Error(`${name}: ${how}`)
  onFault({ target: name, seed, reason: how, input })
  return { tried: seed - first + 1, last }
}

/**
 * From the least of the first quarter of all looks to the least of the last: single inputs take much and give it back
 * later.
 */
function growth(samples: readonly number[]): { grownMegabytes?: number } {
  const warm = samples.slice(warmSamples)
  if (samples.length < minSamples) return {}
  const quarter = Math.floor(warm.length / 4)
  return { grownMegabytes: Math.min(...warm.slice(-quarter)) - Math.min(...warm.slice(0, quarter)) }
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
