import { AsyncLocalStorage } from 'node:async_hooks'
import { StreamingLLMError } from '../errors.js'

interface Scope {
  /** What waits for the tools that run here. */
  holder: object
  over: boolean
  outer: Scope | undefined
}

const scopes = new AsyncLocalStorage<Scope>()

/** Runs tools for whose end a turn of `holder` waits. */
export async function inToolScope<T>(holder: object, run: () => Promise<T>): Promise<T> {
  const scope: Scope = { holder, over: false, outer: scopes.getStore() }
  try {
    return await scopes.run(scope, run)
  } finally {
    scope.over = true
    for (const wait of waits) if (wait.scope === scope) waits.delete(wait)
  }
}

/** A tool's call waits for a turn of `holder`, or takes it. */
interface Wait {
  scope: Scope
  holder: object
}

const waits = new Set<Wait>()

/**
 * To be called before a turn of `holder` is waited for; the function tells that it is over. Throws BUSY within a tool
 * whose end that turn waits for, itself or by way of other chats' tools: all of them would wait for each other.
 */
export function waitForTurn(holder: object): () => void {
  const mine: Wait[] = []
  for (let scope = scopes.getStore(); scope !== undefined; scope = scope.outer)
    if (!scope.over) mine.push({ scope, holder })
  const waiting = waitedFor(holder)
  if (mine.some(({ scope }) => waiting.has(scope.holder))) {
    throw new StreamingLLMError(
      'BUSY',
      'a tool has called a chat whose turn waits for that tool, itself or through the tools of other chats; let the tool return first, or use another chat',
    )
  }
  for (const wait of mine) waits.add(wait)
  return () => mine.forEach(wait => waits.delete(wait))
}

/** Whose turns have to end before the next one of `holder` begins, as far as tools wait for them. */
function waitedFor(holder: object): Set<object> {
  const found = new Set([holder])
  for (const each of found) {
    for (const { scope, holder: next } of waits) if (scope.holder === each) found.add(next)
  }
  return found
}
