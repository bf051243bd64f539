import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { abortable, throwIfAborted, type WhenAborted } from './abort.js'

/** How something that was tried in a child process came out. */
export interface ChildTrial<Answer> {
  /** What the program returned, or what it threw. Missing where the child ended, or was ended, before. */
  answer?: Partial<Answer> & { reason?: string }
  /** How it ended, as a clause; undefined where it answered and ended by itself without a failure. */
  ending?: string
  code: number | null
  signal: NodeJS.Signals | null
  /** The end of what it wrote to its standard error. */
  complaint: string
  milliseconds: number
}

export interface ChildTrialOptions {
  /** Milliseconds after which the child counts as hung. */
  patience: number
  signal?: AbortSignal
  /** What to run in place of this Node. */
  program?: string
}

/** Says in a child's environment that it is one, and what it was given. */
const variable = 'STREAMING_LLM_TRIAL'

const maxAnswer = 1 << 20 // characters
const maxComplaint = 2000

/**
 * Runs `body`, the text of an async function's body, in a child process: what ends that process, or never returns,
 * leaves this one alone. It is plain JavaScript for `node -e`, so that it runs from source, from dist and under a test
 * runner alike. It gets `given` under that name, and its result must be an object; both are plain data. Never throws
 * for what the child does; rejects with `signal.reason` when aborted.
 */
export async function tryInChild<Answer extends object>(
  body: string,
  given: unknown,
  { patience, signal, program = process.execPath }: ChildTrialOptions,
): Promise<ChildTrial<Answer>> {
  throwIfAborted(signal)
  const refusal = whyNotTry()
  if (refusal !== undefined) return { ending: refusal, code: null, signal: null, complaint: '', milliseconds: 0 }
  const began = performance.now()
  const run = await abortable(signal, whenAborted =>
    childRun(programOf(body), given, { patience, program, whenAborted }),
  )
  throwIfAborted(signal)
  const milliseconds = Math.round(performance.now() - began)
  const { printed, complaint, ...how } = run
  const answer = answerIn<Answer>(printed)
  if (answer === undefined) how.ending ??= 'the process that tried it ended without an answer'
  return { answer, ...how, complaint: complaint.trim(), milliseconds }
}

/** A child process from its start to its end, or to where it is not waited for any more. */
async function childRun(
  script: string,
  given: unknown,
  { patience, program, whenAborted }: { patience: number; program: string; whenAborted: WhenAborted },
): Promise<Pick<ChildTrial<object>, 'ending' | 'code' | 'signal' | 'complaint'> & { printed: string }> {
  const child = spawn(program, ['-e', script], {
    // The last is for Electron, whose program is no Node otherwise.
    env: { ...process.env, [variable]: JSON.stringify(given), ELECTRON_RUN_AS_NODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  })
  let printed = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-maxAnswer)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-maxComplaint)
  })
  let timer: NodeJS.Timeout | undefined
  const how = await new Promise<Pick<ChildTrial<object>, 'ending' | 'code' | 'signal'>>(resolve => {
    const end = (ending?: string): void => {
      // One that hangs in a driver outlives even this, and is not waited for.
      child.kill('SIGKILL')
      child.stdout.destroy()
      child.stderr.destroy()
      child.unref()
      resolve({ ending, code: null, signal: null })
    }
    timer = setTimeout(() => end(`it did not answer within ${patience / 1000} s`), patience)
    whenAborted(end)
    child.on('error', error => end(`the process that tried it could not be run: ${error.message}`))
    child.on('close', (code, killer) => resolve({ ending: endingOf(code, killer), code, signal: killer }))
  })
  clearTimeout(timer)
  return { ...how, printed, complaint }
}

function programOf(body: string): string {
  return `
const answer = (value, code) => {
  require('fs').writeSync(1, '\\n' + JSON.stringify(value) + '\\n')
  process.exit(code)
}
;(async given => {${body}})(JSON.parse(process.env.${variable})).then(
  result => answer(result, 0),
  error => answer({ reason: error.message }, 1),
)`
}

/** A program that is no Node would start itself once more, and that one itself again. */
function whyNotTry(): string | undefined {
  if (process.env[variable] !== undefined) return 'this process was started to try something, and tries no other'
  return isSingleExecutable() ? 'a single executable application has no Node to try it with' : undefined
}

function isSingleExecutable(): boolean {
  if ('pkg' in process) return true
  try {
    return (createRequire(import.meta.url)('node:sea') as { isSea: () => boolean }).isSea()
  } catch {
    return false // a Node that knows no such applications
  }
}

/** The last line that is an answer; drivers print other things. */
function answerIn<Answer>(printed: string): ChildTrial<Answer>['answer'] {
  for (const line of printed.split('\n').reverse()) {
    if (!line.startsWith('{')) continue
    try {
      return JSON.parse(line) as ChildTrial<Answer>['answer']
    } catch {
      // not ours
    }
  }
  return undefined
}

const badMemory = 'it used memory that it may not'
const failedAssertion = 'it gave up, as after an assertion that failed'
const unknownInstruction = 'it came to an instruction that this processor does not know'

/** What signals mean here, and Windows' numbers that stand for them. */
const meanings: Record<string, string> = {
  SIGSEGV: badMemory,
  SIGBUS: badMemory,
  SIGABRT: failedAssertion,
  SIGILL: unknownInstruction,
  SIGKILL: 'as systems do when memory runs out',
  [0xc0000005]: badMemory,
  [0xc0000409]: failedAssertion,
  [0xc000001d]: unknownInstruction,
}

function endingOf(code: number | null, killer: NodeJS.Signals | null): string | undefined {
  if (code === 0) return undefined
  const how = killer === null ? `ended with ${code}` : `was ended by ${killer}`
  const meaning = meanings[killer ?? String(code)]
  return `the process that tried it ${how}${meaning === undefined ? '' : ` (${meaning})`}`
}
