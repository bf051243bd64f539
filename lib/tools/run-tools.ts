import type { ChatMessage, ToolCall } from '../messages.js'
import { untilAborted } from '../util/abort.js'
import type { ParsedTools } from './tools.js'

/** What became of a call. */
export interface ToolOutcome {
  call: ToolCall
  /** What `execute` returned; undefined where it failed. */
  result?: unknown
  /** That as the model is told it. */
  content?: string
  /** What went wrong, in words for the model. */
  error?: string
}

/** Runs the calls side by side, in the order of calling. Never throws: what a tool throws is its outcome. */
export async function runTools(
  { execute, validate }: ParsedTools,
  calls: readonly ToolCall[],
  signal: AbortSignal,
): Promise<ToolOutcome[]> {
  return Promise.all(
    calls.map(async (call): Promise<ToolOutcome> => {
      try {
        // Each gets arguments of its own: the call's are in the history, and what the model wrote in the cache.
        const args = () => structuredClone(call.arguments)
        const checked = await untilAborted(Promise.resolve(validate.get(call.name)?.(args())), signal)
        if (checked?.issues !== undefined)
          return {
            call,
            error: `The arguments are not as they must be: ${checked.issues.map(({ message }) => message).join('; ')}`,
          }
        const run = Promise.resolve(execute.get(call.name)!(checked?.value ?? args(), { id: call.id, signal }))
        const result: unknown = await untilAborted(run, signal)
        return { call, result, content: typeof result === 'string' ? result : asJson(result) }
      } catch (error) {
        if (signal.aborted && error === signal.reason) return { call, error: 'the call was cancelled' }
        return { call, error: error instanceof Error ? error.message : String(error) }
      }
    }),
  )
}

/** What the model is told of it. */
export function outcomeMessage({ call, content = '', error }: ToolOutcome): ChatMessage {
  return { role: 'tool', toolCallId: call.id, content: error !== undefined ? `Error: ${error}` : content }
}

/** Throws for what JSON cannot hold: the model must not be told a lie about it. */
function asJson(result: unknown): string {
  const kind =
    result instanceof Map || result instanceof Set
      ? 'a Map or Set'
      : typeof result === 'function' || typeof result === 'symbol'
        ? `a ${typeof result}`
        : undefined
  if (kind !== undefined) throw new Error(`the tool returned ${kind}, which is no JSON`)
  try {
    return JSON.stringify(result) ?? 'null'
  } catch (error) {
    throw new Error(`what the tool returned is no JSON: ${(error as Error).message.split('\n')[0]}`)
  }
}
