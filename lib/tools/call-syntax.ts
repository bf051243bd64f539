import { type CallElements, type ElementSyntaxName, elementSyntaxes } from './element-syntaxes.js'
import { type JsonSyntaxName, jsonSyntaxes } from './json-syntaxes.js'
import { type CallKeywords, type KeywordSyntaxName, keywordSyntaxes } from './keyword-syntaxes.js'
import type { MessageFormat } from './message-format.js'

/**
 * How a model writes calls:
 * - `json`: objects with the tool's name and its arguments, alone or in a list
 * - `headed`: the name as plain text, then the arguments as JSON
 * - `mistral`: either of the two, after the same marker
 * - `elements`: XML-like, with each argument as plain text or JSON in its own element
 * - `keywords`: the name, then all arguments behind their names in brackets
 */
export type CallBody = 'json' | 'headed' | 'mistral' | 'elements' | 'keywords'

export type CallSyntaxName =
  | 'hermes'
  | 'generic'
  | 'smollm2'
  | 'llama3'
  | 'mistral'
  | 'mistral-named'
  | 'mistral-ids'
  | 'functionary'
  | 'deepseek'
  | 'deepseek-v3.1'
  | 'phi4'
  | 'phi4-list'
  | 'granite'
  | ElementSyntaxName
  | JsonSyntaxName
  | KeywordSyntaxName

/**
 * The text around names and arguments, as the model was trained to write it. In order: what opens all calls, what comes
 * before a name, between name and arguments, after them, between calls, and at the end. Readers are more lenient; this
 * is what is written: into prompts, and by grammars.
 */
export interface CallFrame {
  begin: string
  /** In this one and the next two, `\0` stands for an id, where the model writes ids. */
  beforeName: string
  beforeArguments: string
  afterArguments: string
  between: string
  finish: string
}

/** One way of writing tool calls. */
export interface CallSyntax {
  name: CallSyntaxName
  body: CallBody
  /** The texts that open a call or several. */
  open: readonly string[]
  /** The text that closes what `open` has opened; without it, the call ends with its JSON. */
  close?: string
  /** A reply that is a call may also begin with its JSON, without anything that opens it. */
  bare: boolean
  /** A call within the reasoning is one, and ends it: these models do not always close it before they call. */
  endsReasoning?: boolean
  /** Texts around all calls that say nothing: they are left out of replies. */
  ignored: readonly string[]
  /** Further marks within calls. */
  inner: readonly string[]
  /** For `headed`: what stands before the arguments. Its group `name` is the tool, its group `id`, if any, an id. */
  header?: RegExp
  /** For `elements`: their texts. */
  elements?: CallElements
  /** For `keywords`: how they are written. */
  keywords?: CallKeywords
  /** For models that write a reply as several messages; those that are calls are read as `body` says. */
  messages?: MessageFormat
  /** For `json`: the key of an object is the tool's name, and its value are the arguments. */
  nameIsKey?: boolean
  /** What a model writes for ids: letters and digits, or the position of the call. Default: nine of the former. */
  ids?: 'letters' | 'position'
  /** Names of tools that a model calls to say that it calls none. */
  noCalls?: readonly string[]
  frame: CallFrame
  /**
   * What a grammar has to wait for: the text that opens calls. If that is no single token, or there is none, everything
   * up to the tool's name, or up to its arguments where nothing comes before the name. A token may hold more than the
   * end of what opens calls; if the grammar then knew no such tool, there would be no way on.
   */
  trigger: 'open' | 'name' | 'arguments'
}

const json = (
  begin: string,
  between: string,
  finish: string,
  key: 'arguments' | 'parameters' = 'arguments',
  extra = '',
): CallFrame => ({
  begin,
  beforeName: '{"name": "',
  beforeArguments: `", "${key}": `,
  afterArguments: `${extra}}`,
  between,
  finish,
})

const tagged = (open: string, close: string): CallFrame => ({
  begin: '',
  beforeName: `${open}\n{"name": "`,
  beforeArguments: '", "arguments": ',
  afterArguments: `}\n${close}`,
  between: '\n',
  finish: '',
})

const base = { body: 'json', bare: false, ignored: [], inner: [], trigger: 'open' } as const
const toolCall = { ...base, open: ['<tool_call>'], close: '</tool_call>' } as const

const mistral = {
  ...base,
  body: 'mistral',
  open: ['[TOOL_CALLS]'],
  inner: ['[ARGS]', '[CALL_ID]'],
  header: /^\s*(?<name>[^\s[\]{}]+)\s*(?:\[CALL_ID\]\s*(?<id>[^\s[\]{}]+)\s*)?(?:\[ARGS\])?\s*$/,
} as const

const deepseek = {
  ...base,
  body: 'headed',
  open: ['<｜tool▁call▁begin｜>'],
  close: '<｜tool▁call▁end｜>',
  ignored: ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>'],
  inner: ['<｜tool▁sep｜>'],
  // Both generations of the models are read in the same way: the name stands before the separator or after it.
  header:
    /^(?:(?:function)?\s*<｜tool▁sep｜>\s*(?<name>[^\s<`]+)\s*(?:```(?:json)?)?\s*|(?<plain>[^\s<`]+)\s*<｜tool▁sep｜>\s*)$/,
} as const

/** All syntaxes that this library reads and writes. */
export const callSyntaxes: Readonly<Record<CallSyntaxName, CallSyntax>> = {
  // Hermes 2 and 3, Qwen 2.5 and 3, SmolLM 3, and many others.
  hermes: { ...toolCall, name: 'hermes', frame: tagged('<tool_call>', '</tool_call>') },
  // For models that have learned none. Hermes' is the one that most models have seen.
  generic: { ...toolCall, name: 'generic', frame: tagged('<tool_call>', '</tool_call>') },
  smollm2: { ...toolCall, name: 'smollm2', frame: json('<tool_call>[', ', ', ']</tool_call>') },
  llama3: {
    ...base,
    name: 'llama3',
    open: ['<|python_tag|>'],
    bare: true,
    frame: json('', '; ', '', 'parameters'),
    trigger: 'name',
  },
  mistral: { ...mistral, name: 'mistral', frame: json('[TOOL_CALLS][', ', ', ']', 'arguments', ', "id": "\0"') },
  'mistral-named': {
    ...mistral,
    name: 'mistral-named',
    frame: {
      begin: '',
      beforeName: '[TOOL_CALLS]',
      beforeArguments: '[ARGS]',
      afterArguments: '',
      between: '',
      finish: '',
    },
  },
  // Small 3.2.
  'mistral-ids': {
    ...mistral,
    name: 'mistral-ids',
    frame: {
      begin: '',
      beforeName: '[TOOL_CALLS]',
      beforeArguments: '[CALL_ID]\0[ARGS]',
      afterArguments: '',
      between: '',
      finish: '',
    },
  },
  functionary: {
    ...base,
    name: 'functionary',
    body: 'headed',
    open: ['<function='],
    close: '</function>',
    header: /^\s*(?<name>[^\s<>]+)\s*>\s*$/,
    frame: {
      begin: '',
      beforeName: '<function=',
      beforeArguments: '>',
      afterArguments: '</function>',
      between: '',
      finish: '',
    },
    trigger: 'name',
  },
  deepseek: {
    ...deepseek,
    name: 'deepseek',
    frame: {
      begin: '<｜tool▁calls▁begin｜>',
      beforeName: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
      beforeArguments: '\n```json\n',
      afterArguments: '\n```<｜tool▁call▁end｜>',
      between: '\n',
      finish: '<｜tool▁calls▁end｜>',
    },
  },
  'deepseek-v3.1': {
    ...deepseek,
    name: 'deepseek-v3.1',
    frame: {
      begin: '<｜tool▁calls▁begin｜>',
      beforeName: '<｜tool▁call▁begin｜>',
      beforeArguments: '<｜tool▁sep｜>',
      afterArguments: '<｜tool▁call▁end｜>',
      between: '',
      finish: '<｜tool▁calls▁end｜>',
    },
  },
  phi4: {
    ...base,
    name: 'phi4',
    open: ['<|tool_call|>'],
    close: '<|/tool_call|>',
    frame: { ...json('', '', ''), beforeName: '<|tool_call|>{"name": "', afterArguments: '}<|/tool_call|>' },
  },
  'phi4-list': {
    ...base,
    name: 'phi4-list',
    open: ['<|tool_call|>'],
    close: '<|/tool_call|>',
    frame: json('<|tool_call|>[', ', ', ']<|/tool_call|>'),
  },
  granite: {
    ...base,
    name: 'granite',
    open: ['<|tool_call|>', '<tool_call>'],
    frame: json('<|tool_call|>[', ', ', ']'),
  },
  ...elementSyntaxes,
  ...jsonSyntaxes,
  ...keywordSyntaxes,
}

/**
 * All marks of a syntax. In some vocabularies they are control tokens, whose text is usually no part of a reply. A
 * reader of calls needs it.
 */
export function syntaxMarks(syntax: CallSyntax): string[] {
  return [
    ...(syntax.messages?.marks ?? []),
    ...syntax.ignored,
    ...syntax.open,
    ...syntax.inner,
    ...(syntax.close === undefined ? [] : [syntax.close]),
  ]
}
