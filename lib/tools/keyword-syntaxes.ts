import type { CallSyntax } from './call-syntax.js'

/** Syntaxes whose arguments stand behind their names in one pair of brackets. */
export type KeywordSyntaxName = 'lfm2' | 'gemma4'

/** How a call of keywords is written, beside its frame. */
export interface CallKeywords {
  /** What stands before a tool's name, within the opening. */
  call: string
  open: string
  close: string
  /** What stands between a key and its value. */
  assign: string
  /** What stands between arguments. */
  between: string
  /** The mark around strings, within which nothing is escaped; none: quotes, as in Python. */
  quote?: string
}

const base = { body: 'keywords', bare: false, ignored: [], inner: [], trigger: 'open' } as const

export const keywordSyntaxes: Readonly<Record<KeywordSyntaxName, CallSyntax>> = {
  // LFM2 and 2.5: a list of calls, as Python has them.
  lfm2: {
    ...base,
    name: 'lfm2',
    open: ['<|tool_call_start|>'],
    close: '<|tool_call_end|>',
    keywords: { call: '', open: '(', close: ')', assign: '=', between: ', ' },
    frame: {
      begin: '<|tool_call_start|>[',
      beforeName: '',
      beforeArguments: '(',
      afterArguments: ')',
      between: ', ',
      finish: ']<|tool_call_end|>',
    },
  },
  gemma4: {
    ...base,
    name: 'gemma4',
    open: ['<|tool_call>'],
    close: '<tool_call|>',
    inner: ['<|"|>'],
    keywords: { call: 'call:', open: '{', close: '}', assign: ':', between: ',', quote: '<|"|>' },
    frame: {
      begin: '',
      beforeName: '<|tool_call>call:',
      beforeArguments: '{',
      afterArguments: '}<tool_call|>',
      between: '',
      finish: '',
    },
  },
}

/** A value as an argument. Strings that hold the mark around them cannot be told from their ends. */
export function writeKeywordValue({ quote }: CallKeywords, value: unknown): string {
  if (quote === undefined) return JSON.stringify(value)
  if (typeof value === 'string') return quote + value + quote
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const write = (item: unknown) => writeKeywordValue({ quote } as CallKeywords, item)
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}:${write(item)}`)
    .join(',')}}`
}
