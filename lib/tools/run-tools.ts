import type { ChatMessage, ToolCall } from '../messages.js'
import type { ParsedTools } from './tools.js'

/** What became of a call. */
export interface ToolOutcome {
  call: ToolCall
  /** What `execute` returned; undefined where it failed. */
  result?: unknown
  /** What went wrong, in words for the model. */
  error?: string
}

/** Runs the calls side by side, in the order of calling. Never throws: what a tool throws is its outcome. */
export async function runTools({ execute, validate }: ParsedTools, calls: readonly ToolCall[], signal: AbortSignal): Promise<ToolOutcome[]> {
  return Promise.all(calls.map(async (call): Promise<ToolOutcome> => {
    try {
      const checked = await validate.get(call.name)?.(call.arguments)
      if (checked?.issues !== undefined) return { call, error: `The arguments are not as they must be: ${checked.issues.map(({ message }) => message).join('; ')}` }
      const run = Promise.resolve(execute.get(call.name)!(checked?.value ?? call.arguments, { id: call.id, signal }))
      return { call, result: await unlessAborted(run, signal) }
    } catch (error) {
      return { call, error: error instanceof Error ? error.message : String(error) }
    }
  }))
}

/** What the model is told of it. */
export function outcomeMessage({ call, result, error }: ToolOutcome): ChatMessage {
  const content = error !== undefined ? `Error: ${error}` : typeof result === 'string' ? result : JSON.stringify(result) ?? 'null'
  return { role: 'tool', toolCallId: call.id, content }
}

/** A tool that does not listen to the signal holds up nobody. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(new Error('the call was cancelled'))
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('the call was cancelled'))
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
