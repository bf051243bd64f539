/** What models call the parts of a call that is a JSON object. */
const names = new Set(['name', 'tool_name', 'function_name', 'tool', 'function'])
const argumentNames = new Set(['arguments', 'parameters', 'args', 'params', 'input', 'tool_input'])
const idNames = new Set(['id', 'tool_call_id', 'call_id'])
/** Those whose value may be an object that is the call itself. */
const wrappers = new Set(['function', 'tool', 'tool_call', 'function_call'])

export type CallKey = 'name' | 'arguments' | 'id' | 'wrapper' | 'other'

/** What the value of such a key is, by the value's first character: a `function` is a name or holds the call. */
export function callKey(key: string, first: string): CallKey {
  if (first === '{' && wrappers.has(key)) return 'wrapper'
  if (names.has(key)) return 'name'
  if (argumentNames.has(key)) return 'arguments'
  return idNames.has(key) ? 'id' : 'other'
}

/** Whether a call may have such a key; `type` says no more than that it is one. */
export function isCallKey(key: string): boolean {
  return key === 'type' || wrappers.has(key) || callKey(key, '') !== 'other'
}
