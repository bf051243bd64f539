import type { CallSyntax } from './call-syntax.js'
import { museMessages } from './message-format.js'

/** Syntaxes whose arguments are elements, each with plain text or JSON. */
export type ElementSyntaxName =
  | 'qwen3-coder'
  | 'glm'
  | 'glm-inline'
  | 'hunyuan'
  | 'minimax-m2'
  | 'deepseek-v3.2'
  | 'deepseek-v4'
  | 'seed'
  | 'minicpm'
  | 'atem'
  | 'kimi-k3'

/** The texts by which a call of elements is read and written. */
export interface CallElements {
  /** What stands before a tool's name; none: the name follows the opening. */
  call: string
  /** What ends the name; none: white space, or the next tag. */
  nameEnd: string
  /** What ends the tag that the name is in, if something may stand between; none: `nameEnd` does. */
  callOpen: string
  /** What ends the call; none: `close` does. */
  callEnd: string
  key: string
  keyEnd: string
  /** What the value begins behind, if something may stand between it and `keyEnd`; none: `keyEnd` itself. */
  valueOpen: string
  valueEnd: string
  /** How the model writes an argument, to the letter. In `afterKey`, `\0` stands for the value's type. */
  written: { beforeKey: string; afterKey: string; afterValue: string }
  /** The type that stands beside a key, in the group: `true` for text, or JSON Schema's name of it. */
  types?: RegExp
  /** A value may be wrapped in a CDATA section. */
  cdata?: boolean
}

const base = { body: 'elements', bare: false, ignored: [], inner: [], trigger: 'open' } as const

const equals = {
  call: '<function=',
  nameEnd: '>',
  callOpen: '',
  callEnd: '</function>',
  key: '<parameter=',
  keyEnd: '>',
  valueOpen: '',
  valueEnd: '</parameter>',
} as const

const keyAndValue = {
  call: '',
  nameEnd: '',
  callOpen: '',
  callEnd: '',
  key: '<arg_key>',
  keyEnd: '</arg_key>',
  valueOpen: '<arg_value>',
  valueEnd: '</arg_value>',
} as const

/** `invoke` and `parameter` elements with names as attributes, by what stands before the elements' names. */
const invoke = (prefix: string): CallElements => ({
  call: `<${prefix}invoke name="`,
  nameEnd: '"',
  callOpen: '>',
  callEnd: `</${prefix}invoke>`,
  key: `<${prefix}parameter name="`,
  keyEnd: '"',
  valueOpen: '>',
  valueEnd: `</${prefix}parameter>`,
  written: {
    beforeKey: `<${prefix}parameter name="`,
    afterKey: '">',
    afterValue: `</${prefix}parameter>\n`,
  },
})

/** Such elements within an outer one. */
const invokeIn = (outer: string, prefix: string) =>
  ({
    ...base,
    open: [`<${outer}>`, `<${prefix}invoke name="`],
    close: `</${outer}>`,
    frame: {
      begin: `<${outer}>\n`,
      beforeName: `<${prefix}invoke name="`,
      beforeArguments: '">\n',
      afterArguments: `</${prefix}invoke>`,
      between: '\n',
      finish: `\n</${outer}>`,
    },
  }) as const

const typed = (elements: CallElements): CallElements => ({
  ...elements,
  types: /\bstring\s*=\s*"(true|false)"/,
  written: { ...elements.written, afterKey: '" string="\0">' },
})

const toolCall = { ...base, open: ['<tool_call>'], close: '</tool_call>' } as const

const glm = {
  begin: '',
  beforeName: '<tool_call>',
  beforeArguments: '\n',
  afterArguments: '</tool_call>',
  between: '\n',
  finish: '',
} as const

export const elementSyntaxes: Readonly<Record<ElementSyntaxName, CallSyntax>> = {
  // Qwen 3 Coder, Qwen 3.5, Nemotron 3, Step 3.5.
  'qwen3-coder': {
    ...toolCall,
    name: 'qwen3-coder',
    endsReasoning: true,
    open: ['<tool_call>', '<function='],
    elements: {
      ...equals,
      written: { beforeKey: '<parameter=', afterKey: '>\n', afterValue: '\n</parameter>\n' },
    },
    frame: {
      begin: '',
      beforeName: '<tool_call>\n<function=',
      beforeArguments: '>\n',
      afterArguments: '</function>\n</tool_call>',
      between: '\n',
      finish: '',
    },
  },
  // GLM 4.5 and 4.6, Ling 3, Laguna XS.
  glm: {
    ...toolCall,
    name: 'glm',
    endsReasoning: true,
    elements: {
      ...keyAndValue,
      written: { beforeKey: '<arg_key>', afterKey: '</arg_key>\n<arg_value>', afterValue: '</arg_value>\n' },
    },
    frame: glm,
  },
  // GLM 4.7, Laguna S, Spark 2.5.
  'glm-inline': {
    ...toolCall,
    name: 'glm-inline',
    elements: {
      ...keyAndValue,
      written: { beforeKey: '<arg_key>', afterKey: '</arg_key><arg_value>', afterValue: '</arg_value>' },
    },
    frame: { ...glm, beforeArguments: '', between: '' },
  },
  // Hunyuan 3. Its tags end alike.
  hunyuan: {
    ...base,
    name: 'hunyuan',
    open: ['<tool_call:opensource>'],
    close: '</tool_call:opensource>',
    ignored: ['<tool_calls:opensource>', '</tool_calls:opensource>'],
    inner: [
      '<tool_sep:opensource>',
      '<arg_key:opensource>',
      '</arg_key:opensource>',
      '<arg_value:opensource>',
      '</arg_value:opensource>',
    ],
    elements: {
      ...keyAndValue,
      nameEnd: '<tool_sep:opensource>',
      key: '<arg_key:opensource>',
      keyEnd: '</arg_key:opensource>',
      valueOpen: '<arg_value:opensource>',
      valueEnd: '</arg_value:opensource>',
      written: {
        beforeKey: '<arg_key:opensource>',
        afterKey: '</arg_key:opensource>\n<arg_value:opensource>',
        afterValue: '</arg_value:opensource>\n',
      },
    },
    frame: {
      begin: '<tool_calls:opensource>\n',
      beforeName: '<tool_call:opensource>',
      beforeArguments: '<tool_sep:opensource>\n',
      afterArguments: '</tool_call:opensource>',
      between: '\n',
      finish: '\n</tool_calls:opensource>',
    },
  },
  'minimax-m2': {
    ...invokeIn('minimax:tool_call', ''),
    name: 'minimax-m2',
    endsReasoning: true,
    elements: invoke(''),
  },
  'deepseek-v3.2': {
    ...invokeIn('｜DSML｜function_calls', '｜DSML｜'),
    name: 'deepseek-v3.2',
    elements: typed(invoke('｜DSML｜')),
    inner: ['｜DSML｜'],
  },
  'deepseek-v4': {
    ...invokeIn('｜DSML｜tool_calls', '｜DSML｜'),
    name: 'deepseek-v4',
    endsReasoning: true,
    elements: typed(invoke('｜DSML｜')),
    inner: ['｜DSML｜'],
  },
  seed: {
    ...base,
    name: 'seed',
    open: ['<seed:tool_call>', '<function='],
    close: '</seed:tool_call>',
    elements: {
      ...equals,
      written: { beforeKey: '<parameter=', afterKey: '>', afterValue: '</parameter>\n' },
    },
    frame: {
      begin: '',
      beforeName: '<seed:tool_call>\n<function=',
      beforeArguments: '>\n',
      afterArguments: '</function>\n</seed:tool_call>',
      between: '\n',
      finish: '',
    },
  },
  minicpm: {
    ...base,
    name: 'minicpm',
    open: ['<function name="'],
    elements: {
      call: '<function name="',
      nameEnd: '"',
      callOpen: '>',
      callEnd: '</function>',
      key: '<param name="',
      keyEnd: '"',
      valueOpen: '>',
      valueEnd: '</param>',
      written: { beforeKey: '<param name="', afterKey: '">', afterValue: '</param>' },
      cdata: true,
    },
    frame: {
      begin: '',
      beforeName: '<function name="',
      beforeArguments: '">',
      afterArguments: '</function>',
      between: '\n',
      finish: '',
    },
    trigger: 'name',
  },
  // Muse.
  atem: {
    ...invokeIn('atem:function_calls', 'atem:'),
    name: 'atem',
    messages: museMessages,
    elements: invoke('atem:'),
  },
  'kimi-k3': {
    ...base,
    name: 'kimi-k3',
    open: ['<|open|>call tool="'],
    ignored: [
      '<|open|>tools<|sep|>',
      '<|close|>tools<|sep|>',
      '<|open|>response<|sep|>',
      '<|close|>response<|sep|>',
      '<|close|>message<|sep|>',
    ],
    inner: ['<|open|>', '<|close|>', '<|sep|>'],
    ids: 'position',
    elements: {
      call: '<|open|>call tool="',
      nameEnd: '"',
      callOpen: '<|sep|>',
      callEnd: '<|close|>call<|sep|>',
      key: '<|open|>argument key="',
      keyEnd: '"',
      valueOpen: '<|sep|>',
      valueEnd: '<|close|>argument<|sep|>',
      written: {
        beforeKey: '<|open|>argument key="',
        afterKey: '" type="\0"<|sep|>',
        afterValue: '<|close|>argument<|sep|>',
      },
      types: /\btype\s*=\s*"(\w+)"/,
    },
    frame: {
      begin: '<|open|>tools<|sep|>',
      beforeName: '<|open|>call tool="',
      beforeArguments: '" index="\0"<|sep|>',
      afterArguments: '<|close|>call<|sep|>',
      between: '',
      finish: '<|close|>tools<|sep|>',
    },
  },
}

/** The type of a value as a syntax writes it beside its key. */
export function typeBeside({ types }: CallElements, type: string): string {
  if (types === undefined) return ''
  return types.source.includes('true') ? String(type === 'string') : type === 'integer' ? 'number' : type
}
