/** What a message of a reply is: reasoning, an answer that may hold calls, or one call. */
export type MessageKind = 'reasoning' | 'content' | 'call'

/** For models that write a reply as several messages, each with a header that says what it is. */
export interface MessageFormat {
  /** What a header begins with, wherever it stands. */
  headers: readonly string[]
  /**
   * What else it begins with at the start of a reply, since the prompt has written the beginning. `names`: of the tools.
   */
  begun(names: readonly string[]): string[]
  /** The marks that end a header. */
  contents: readonly string[]
  /** What a whole header must be, where what it begins with is often text. */
  header?: RegExp
  /** The marks that end a message. */
  ends: readonly string[]
  /** Which kind a message with such a header is. The first that matches counts; without any, it is `content`. */
  kinds: readonly (readonly [RegExp, MessageKind])[]
  /** What the model writes before an answer at the start of a reply. */
  answer: string
  /** All that may be control tokens. */
  marks: readonly string[]
}

/** gpt-oss: channels, and a recipient where the message is a call. */
export const harmonyMessages: MessageFormat = {
  headers: ['<|start|>assistant', '<|channel|>'],
  begun: () => ['to=', '<|message|>'],
  contents: ['<|message|>'],
  ends: ['<|end|>', '<|call|>', '<|return|>'],
  kinds: [
    [/\bto=(?!user\b|assistant\b)/, 'call'],
    [/<\|channel\|>\s*analysis/, 'reasoning'],
  ],
  answer: '<|channel|>final<|message|>',
  marks: ['<|start|>', '<|channel|>', '<|constrain|>', '<|message|>', '<|end|>', '<|call|>', '<|return|>'],
}

export const solarMessages: MessageFormat = {
  headers: ['<|begin|>assistant', '<|think|>', '<|content|>', '<|tool_calls|>'],
  begun: () => [],
  contents: ['<|think|>', '<|content|>', '<|tool_calls|>'],
  ends: ['<|end|>', '<|calls|>', '<|flush|>'],
  kinds: [[/<\|think\|>/, 'reasoning']],
  answer: '<|content|>',
  marks: ['<|begin|>', '<|think|>', '<|content|>', '<|tool_calls|>', '<|end|>', '<|calls|>', '<|flush|>'],
}

/** Functionary 3.2: a line with the name of a tool, or with a word for none. */
export const functionaryMessages: MessageFormat = {
  headers: ['>>>'],
  begun: names => ['all', ...names].map(name => `${name}\n`),
  contents: ['\n'],
  header: /^(?:>>>)?[^\s<>{}()]{1,128}\n$/,
  ends: [],
  kinds: [[/^\s*(?!(?:>>>)?all\n)/, 'call']],
  answer: 'all\n',
  marks: [],
}

/** Muse: a recipient in each message, the model itself for reasoning. */
export const museMessages: MessageFormat = {
  headers: ['<|start|>assistant'],
  begun: () => ['to=', '<|message|>'],
  contents: ['<|message|>'],
  ends: ['<|eom|>', '<|eot|>'],
  kinds: [[/\bto=self\b/, 'reasoning']],
  answer: ' to=user<|message|>',
  marks: ['<|start|>', '<|message|>', '<|eom|>', '<|eot|>'],
}

const formats: readonly (readonly [RegExp, MessageFormat])[] = [
  [/<\|channel\|>(?:analysis|final)/, harmonyMessages],
  [/assistant<\|content\|>/, solarMessages],
  [/>>>all\b/, functionaryMessages],
  [/assistant to=self/, museMessages],
]

/** Finds out from a chat template's source whether replies are several messages. */
export function messageFormat(template: string): MessageFormat | undefined {
  return formats.find(([pattern]) => pattern.test(template))?.[1]
}
