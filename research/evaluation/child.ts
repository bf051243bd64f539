import { spawn } from 'node:child_process'
import { locateLibraries } from '../../lib/backend/locate.js'
import { type ErrorCode, StreamingLLMError } from '../../lib/errors.js'
import { type EvaluationAddon, evaluationAddonPath } from './addon.js'

/** A child process ended before its call had returned: llama.cpp ended it, or the system did. */
export class ChildEnded extends Error {
  /** `begun`: the call had told of its progress. */
  constructor(
    message: string,
    readonly how: string,
    readonly begun: boolean,
  ) {
    super(message)
  }
}

// Plain JavaScript for `node -e`, so that it runs under a test runner too. A call computes on a thread of its own, so
// this process hears at once that its parent has gone; an ordinary exit would first wait for that thread. It may hear
// so by a message that cannot be sent, and without a callback that would be such an exit.
export const program = `
const end = () => process.kill(process.pid, 'SIGKILL')
process.on('disconnect', end)
process.once('message', async ({ addon, paths, call, args, progress }) => {
  const send = message => new Promise(resolve => process.send(message, error => error ? end() : resolve()))
  try {
    const native = require(addon)
    native.open(paths)
    const result = await native[call](...args, ...(progress ? [done => void send({ progress: done })] : []))
    await send({ result })
  } catch (error) {
    await send({ error: { code: error.code, message: error.message } })
  }
  process.exit(0)
})
`

type Answer = { progress: number } | { error: { code?: string; message: string } } | { result: unknown }

/**
 * Calls a function of the evaluation addon in a child process: a process can have one set of ggml's libraries only, and
 * what llama.cpp does not like ends the process. The child ends with this process, however that ends. Functions that
 * report progress take the callback as their last argument: pass `onProgress` for these.
 *
 * @throws {StreamingLLMError} what the function threw, ADDON_NOT_FOUND, LIBRARY_NOT_FOUND, LIBRARY_MISMATCH;
 *   {ChildEnded} when the child ended by itself. Rejects with `signal.reason` when aborted.
 */
export async function callInChild<Name extends Exclude<keyof EvaluationAddon, 'open'>>(
  call: Name,
  args: unknown[],
  { onProgress, signal }: { onProgress?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<Awaited<ReturnType<EvaluationAddon[Name]>>> {
  signal?.throwIfAborted()
  const addon = await evaluationAddonPath()
  const paths = locateLibraries()
  signal?.throwIfAborted()
  // stderr is where ggml says what it did not like before it ends the process.
  const child = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  const abort = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', abort, { once: true })
  let output = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-2000)))
  try {
    let begun = false
    let answer: Exclude<Answer, { progress: number }> | undefined
    child.on('message', message => {
      const heard = message as Answer
      if ('progress' in heard) {
        begun = true
        onProgress?.(heard.progress)
      } else answer = heard
    })
    child.send({ addon, paths, call, args, progress: onProgress !== undefined }, () => {}) // a failure to send shows as the child's end
    const how = await new Promise<string>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, killer) => resolve(killer === null ? `ended with ${code}` : `was ended by ${killer}`))
    })
    signal?.throwIfAborted()
    if (answer === undefined)
      throw new ChildEnded(`the child process that computed ${how}: ${output.trim() || 'it said nothing'}`, how, begun)
    if ('error' in answer) {
      const { code, message } = answer.error
      throw code === undefined ? new Error(message) : new StreamingLLMError(code as ErrorCode, message)
    }
    return answer.result as Awaited<ReturnType<EvaluationAddon[Name]>>
  } finally {
    signal?.removeEventListener('abort', abort)
    child.kill('SIGKILL')
  }
}
