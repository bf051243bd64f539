import type { CallFrame, CallSyntax } from './call-syntax.js'
import { functionaryMessages, harmonyMessages, solarMessages } from './message-format.js'

/** Syntaxes of single families, whose arguments are JSON. */
export type JsonSyntaxName =
  | 'harmony'
  | 'functionary-3.2'
  | 'kimi-k2'
  | 'solar'
  | 'minimax-m1'
  | 'apriel'
  | 'nemotron'
  | 'command-r'
  | 'command-r-plus'
  | 'apertus'
  | 'gigachat'
  | 'gigachat-3.1'
  | 'firefunction'

const base = { body: 'json', bare: false, ignored: [], inner: [], trigger: 'open' } as const

const object = (begin: string, between: string, finish: string): CallFrame => ({
  begin,
  beforeName: '{"name": "',
  beforeArguments: '", "arguments": ',
  afterArguments: '}',
  between,
  finish,
})

export const jsonSyntaxes: Readonly<Record<JsonSyntaxName, CallSyntax>> = {
  // What ends a call is no part of it: it ends the reply too.
  harmony: {
    ...base,
    name: 'harmony',
    body: 'headed',
    open: [],
    messages: harmonyMessages,
    header: /\bto=(?:functions\.)?(?<name>[^\s<>{}]+)(?:[^{}]*<\|message\|>\s*)?$/,
    frame: {
      begin: '',
      beforeName: '<|channel|>commentary to=functions.',
      beforeArguments: ' <|constrain|>json<|message|>',
      afterArguments: '',
      between: '<|call|><|start|>assistant',
      finish: '',
    },
    trigger: 'name',
  },
  // The prompt has written what comes before the first name.
  'functionary-3.2': {
    ...base,
    name: 'functionary-3.2',
    body: 'headed',
    open: [],
    messages: functionaryMessages,
    header: /^(?:>>>)?(?<name>[^\s<>{}]+)\s*$/,
    frame: { begin: '', beforeName: '', beforeArguments: '\n', afterArguments: '', between: '>>>', finish: '' },
    trigger: 'arguments',
  },
  // The id names the tool: `functions.NAME:3` for the fourth call of a conversation.
  'kimi-k2': {
    ...base,
    name: 'kimi-k2',
    body: 'headed',
    open: ['<|tool_call_begin|>'],
    close: '<|tool_call_end|>',
    ignored: ['<|tool_calls_section_begin|>', '<|tool_calls_section_end|>'],
    inner: ['<|tool_call_argument_begin|>'],
    header: /^\s*(?<id>(?:functions\.)?(?<name>[^\s<>{}]+?)(?::\d+)?)\s*(?:<\|tool_call_argument_begin\|>\s*)?$/,
    ids: 'position',
    frame: {
      begin: '<|tool_calls_section_begin|>',
      beforeName: '<|tool_call_begin|>functions.',
      beforeArguments: ':\0<|tool_call_argument_begin|>',
      afterArguments: '<|tool_call_end|>',
      between: '',
      finish: '<|tool_calls_section_end|>',
    },
  },
  solar: {
    ...base,
    name: 'solar',
    body: 'headed',
    open: ['<|tool_call:begin|>'],
    close: '<|tool_call:end|>',
    ignored: ['<|tool_calls|>'],
    messages: solarMessages,
    inner: ['<|tool_call:name|>', '<|tool_call:args|>'],
    header: /^\s*(?<id>[^\s<>{}]*)\s*<\|tool_call:name\|>\s*(?<name>[^\s<>{}]+)\s*(?:<\|tool_call:args\|>\s*)?$/,
    ids: 'letters',
    frame: {
      begin: '<|tool_calls|>',
      beforeName: '<|tool_call:begin|>\0<|tool_call:name|>',
      beforeArguments: '<|tool_call:args|>',
      afterArguments: '<|tool_call:end|>',
      between: '',
      finish: '',
    },
  },
  'minimax-m1': {
    ...base,
    name: 'minimax-m1',
    open: ['<tool_calls>'],
    close: '</tool_calls>',
    frame: object('<tool_calls>\n', '\n', '\n</tool_calls>'),
  },
  apriel: {
    ...base,
    name: 'apriel',
    open: ['<tool_calls>'],
    close: '</tool_calls>',
    frame: object('<tool_calls>[', ', ', ']</tool_calls>'),
  },
  nemotron: {
    ...base,
    name: 'nemotron',
    open: ['<TOOLCALL>'],
    close: '</TOOLCALL>',
    frame: object('<TOOLCALL>[', ', ', ']</TOOLCALL>'),
  },
  // Command R7B, Command A and Cohere 2. Their templates number the calls themselves.
  'command-r': {
    ...base,
    name: 'command-r',
    open: ['<|START_ACTION|>'],
    close: '<|END_ACTION|>',
    ids: 'position',
    frame: {
      begin: '<|START_ACTION|>[\n    ',
      beforeName: '{"tool_call_id": "\0", "tool_name": "',
      beforeArguments: '", "parameters": ',
      afterArguments: '}',
      between: ',\n    ',
      finish: '\n]<|END_ACTION|>',
    },
  },
  'command-r-plus': {
    ...base,
    name: 'command-r-plus',
    open: ['Action:\n```json', 'Action: ```json', 'Action:```json', 'Action:\n\n```json'],
    close: '```',
    noCalls: ['directly-answer', 'directly_answer'],
    frame: {
      begin: 'Action:\n```json\n[\n    ',
      beforeName: '{\n        "tool_name": "',
      beforeArguments: '",\n        "parameters": ',
      afterArguments: '\n    }',
      between: ',\n    ',
      finish: '\n]```',
    },
    trigger: 'name',
  },
  apertus: {
    ...base,
    name: 'apertus',
    open: ['<|tools_prefix|>'],
    close: '<|tools_suffix|>',
    nameIsKey: true,
    frame: {
      begin: '<|tools_prefix|>[',
      beforeName: '{"',
      beforeArguments: '": ',
      afterArguments: '}',
      between: ', ',
      finish: ']<|tools_suffix|>',
    },
  },
  gigachat: {
    ...base,
    name: 'gigachat',
    open: ['function call<|role_sep|>'],
    ignored: ['<|message_sep|>'],
    inner: ['<|role_sep|>'],
    frame: {
      ...object('', '<|message_sep|>\n\n', ''),
      beforeName: 'function call<|role_sep|>\n{"name": "',
    },
  },
  'gigachat-3.1': {
    ...base,
    name: 'gigachat-3.1',
    open: ['<|function_call|>'],
    ignored: ['<|message_sep|>'],
    frame: { ...object('', '', ''), beforeName: '<|function_call|>{"name": "' },
  },
  firefunction: {
    ...base,
    name: 'firefunction',
    open: ['functools['],
    frame: object('functools[', ', ', ']'),
    trigger: 'name',
  },
}
