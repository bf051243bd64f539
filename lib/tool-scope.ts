import { AsyncLocalStorage } from 'node:async_hooks'
import { StreamingLLMError } from './errors.js'

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
  }
}

/** Throws BUSY within a tool whose end the holder's turn waits for: the two would wait for each other. */
export function refuseInToolScope(holder: object): void {
  for (let scope = scopes.getStore(); scope !== undefined; scope = scope.outer) {
    if (scope.holder !== holder || scope.over) continue
    throw new StreamingLLMError('BUSY', 'a tool has called the chat whose turn waits for that tool; let the tool return first, or use another chat')
  }
}
