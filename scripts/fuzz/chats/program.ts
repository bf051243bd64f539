import type { ChatMessage, ChatOptions, GenerateOptions } from '../../../lib/index.js'
import type { TinyKind } from '../../../test/tools/tiny-models.js'

/** Kinds of memory that programs run over: attention, with M-RoPE, with windowed layers, hybrid, recurrent. */
export const memories = ['llama', 'qwen2vl', 'gemma3', 'jamba', 'mamba'] as const satisfies readonly TinyKind[]
export type Memory = (typeof memories)[number]

/** The model that a program's chats share. */
export interface Setup {
  memory: Memory
  /**
   * With one, what the cache holds of a token depends on nothing but the token, so that evictions can be judged by
   * logits too.
   */
  layers: number
  batchSize: number
  maxSequences: number
  whenFull: 'wait' | 'refuse'
  swap: 'memory' | 'disk'
  unloadAfter?: number
  cacheTokens?: number
}

/**
 * How a reply's reader goes away, after so many events (0: while the first is on its way) and a pause in milliseconds.
 */
export interface Leave {
  way: 'break' | 'return' | 'throw' | 'abort'
  after: number
  pause: number
}

/** How a reply is read. */
export interface Reading {
  leave?: Leave
  /** Milliseconds between events. */
  slow?: number
  /** Two readers take turns at the one stream. */
  double?: boolean
}

/** Names stand for chats (`c1`), files (`f1`) and conversations that are held outside (`s1`). */
export type Operation =
  | { do: 'create'; as: string; options: ChatOptions }
  | { do: 'turn'; chat: string; input: string | ChatMessage[]; options: GenerateOptions; reading: Reading }
  | { do: 'ask'; chat: string; input: string; options: GenerateOptions }
  | { do: 'regenerate'; chat: string; options: GenerateOptions; reading: Reading }
  | { do: 'undo'; chat: string; exchanges: number }
  | { do: 'fork'; chat: string; as: string }
  | { do: 'candidates'; chat: string; input: string; options: GenerateOptions; as: string[] }
  | { do: 'add'; chat: string; messages: ChatMessage[] }
  | { do: 'setSystem'; chat: string; system?: string }
  | { do: 'save'; chat: string; file: string }
  | { do: 'restore'; file: string; as: string }
  | { do: 'close'; chat: string }
  /** All at once; those of one chat queue up. */
  | { do: 'together'; operations: Operation[] }
  /**
   * One call of streamChat, which goes on from the conversation's first `keep` exchanges; all of them where it has
   * fewer.
   */
  | { do: 'stateless'; conversation: string; keep: number; input: string; options: GenerateOptions; reading: Reading }
  | { do: 'wait'; milliseconds: number }
  /** The model is closed, with all that goes on, and loaded again. */
  | { do: 'restart' }

export interface Program {
  setup: Setup
  operations: Operation[]
}

/** The program as a list that can be read, an operation a line. */
export function shown({ setup, operations }: Program): string {
  return [`model ${literal(setup)}`, ...operations.map(line)].join('\n')
}

function line(operation: Operation): string {
  if (operation.do === 'together') return `together\n${operation.operations.map(each => `  ${line(each)}`).join('\n')}`
  const { do: name, ...rest } = operation
  const { as, ...parts } = rest as { as?: string | string[] } & Record<string, unknown>
  const made = as === undefined ? '' : `${[as].flat().join(', ')} = `
  return `${made}${name} ${literal(parts)}`
}

function literal(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll(/"([A-Za-z]+)":/g, '$1: ')
    .replaceAll(/,(?=\w+: )/g, ', ')
}

/** How many operations it has, those that run at once counted one by one. */
export function countOperations(operations: readonly Operation[]): number {
  return operations.reduce(
    (sum, operation) => sum + (operation.do === 'together' ? countOperations(operation.operations) : 1),
    0,
  )
}
