import type { Tokenizer } from '../engine/tokenizer.js'
import type { LoggedMessage, TemplateMessage } from '../messages.js'
import { firstPieces, type PromptPiece } from '../templates/prompt-pieces.js'
import { escapePattern } from '../util/escape-pattern.js'
import { Pace, partLength } from '../util/pace.js'
import type { ChatFormat } from './chat-format.js'
import { isRewritten, withoutReasoning } from './rewritten-reply.js'
import { replyText, templateMessages } from './template-messages.js'

/** Whose words become tokens, and how. */
export interface PromptContext {
  tokenizer: Tokenizer
  format: ChatFormat
  /** Lets the caller abort: the functions here then throw `Left`. Without it, they run to the end. */
  pace?: Pace
}

/** A prompt in tokens. */
export interface PromptTokens {
  tokens: number[]
  /** Where each of its messages ends; a message that asks for a reply ends with the opening of that. */
  ends: number[]
  /** Where turns begin. */
  turns: number[]
}

/**
 * As `wholePrompt`, of a conversation that begins with replies, since what they answered has left: up to the first turn
 * behind them, `asked`, it is rendered in whole. That turn is the end of it, word for word, so where the reply ends is
 * known exactly.
 */
async function fromReply(
  context: PromptContext,
  system: string | undefined,
  messages: readonly LoggedMessage[],
  asked: number,
): Promise<PromptTokens> {
  const reply = messages.findIndex(({ role }, at) => at > asked && role === 'assistant')
  const behind = reply < 0 ? messages.length : reply
  const whole = await wholePrompt(context, system, messages.slice(0, behind), true)
  const input = messages.slice(asked, behind)
  const turn = await turnPrompt(context, system, input, messages[asked - 1])
  const replyEnd = whole.tokens.length - turn.tokens.length
  whole.ends = whole.ends.map((end, i) =>
    i < asked - 1 ? Math.min(end, replyEnd) : i < asked ? replyEnd : whole.tokens.length,
  )
  whole.turns = turn.turns.map(at => replyEnd + at)
  const asking = { messages: input, start: replyEnd, previous: messages[asked - 1] }
  await grow(context, system, whole, asking, messages.slice(behind))
  return whole
}

/**
 * Tokens of a conversation from its start, up to where the next reply begins. They are those of a conversation that
 * grew turn by turn, if the template allows it and not `atOnce`.
 */
export async function wholePrompt(
  context: PromptContext,
  system: string | undefined,
  messages: readonly LoggedMessage[],
  atOnce = false,
): Promise<PromptTokens> {
  const { format, pace = new Pace() } = context
  const { template } = format
  const text = format.systemText(system)
  const head: TemplateMessage[] = text === undefined ? [] : [{ role: 'system', content: text }]
  const asTemplate = (some: readonly LoggedMessage[]) => templateMessages(some, format)
  const tokens: number[] = []
  const asked = messages.findIndex(({ role }) => role !== 'assistant')
  if (!atOnce && template.incremental && asked > 0) return fromReply(context, system, messages, asked)
  if (atOnce || !template.incremental || (asked < 0 && messages.length > 0)) {
    const visibleMarks = asTemplate(withoutReasoning(format, messages))
    const pieces = await pace.through(template.renderInParts([...head, ...visibleMarks], true))
    prependBos(context.tokenizer, tokens, pieces)
    await addTokens(context, tokens, pieces)
    return { tokens, ends: shareOut(messages, tokens.length), turns: [] }
  }
  // As the conversation would have grown: each turn behind the reply before it. So it comes out as it did live.
  const replies = messages.findIndex(({ role }) => role === 'assistant')
  const first = messages.slice(0, replies < 0 ? undefined : replies)
  const pieces = await pace.through(template.renderInParts([...head, ...asTemplate(first)], true))
  prependBos(context.tokenizer, tokens, pieces)
  await addTokens(context, tokens, pieces)
  const prompt = { tokens, ends: first.map(() => tokens.length), turns: [openingTokens(context, system).length] }
  await grow(context, system, prompt, { messages: first, start: 0 }, messages.slice(first.length))
  return prompt
}

/** A turn of a prompt that grows: the reply before it, if there is one, and where that ends. */
interface Turn {
  messages: readonly LoggedMessage[]
  start: number
  previous?: LoggedMessage
}

/**
 * Adds what comes behind a turn to a prompt, reply by reply. One that has another form once another turn follows gets
 * that, and so does what opens it: they are rendered together with the turns around them.
 */
async function grow(
  context: PromptContext,
  system: string | undefined,
  prompt: PromptTokens,
  turn: Turn,
  rest: readonly LoggedMessage[],
): Promise<void> {
  for (let i = 0; i < rest.length; ) {
    const reply = rest[i]!
    const later = rest.findIndex(({ role }, at) => at > i + 1 && role === 'assistant')
    const messages = rest.slice(i + 1, later < 0 ? undefined : later)
    const at = prompt.ends.length
    const isFollowed = messages.length > 0 && messages[0]!.role !== 'assistant'
    if (isFollowed && isRewritten(context.format, reply)) await rewrite(context, system, prompt, turn, reply, messages)
    else join(prompt, await nextPrompt(context, system, [reply, ...messages], { opened: true }))
    turn = { messages, start: prompt.ends[at]!, previous: reply }
    i += 1 + messages.length
  }
}

/** In place of a turn at the end of a prompt: that turn, the reply and the next turn, as the template writes them. */
async function rewrite(
  context: PromptContext,
  system: string | undefined,
  prompt: PromptTokens,
  { messages: asking, start, previous }: Turn,
  reply: LoggedMessage,
  messages: readonly LoggedMessage[],
): Promise<void> {
  const all = withoutReasoning(context.format, [...asking, reply, ...messages])
  const isFirst = previous === undefined
  const wanted = await (isFirst ? wholePrompt(context, system, all, true) : turnPrompt(context, system, all, previous))
  const next = await turnPrompt(context, system, messages, reply)
  const before = prompt.tokens.splice(start)
  const opened = start + commonPrefixLength(before, wanted.tokens)
  const ends = prompt.ends.splice(prompt.ends.length - asking.length)
  prompt.ends.push(...ends.map(end => Math.min(end, opened)))
  for (const token of wanted.tokens) prompt.tokens.push(token)
  // The new turn is the end of it, word for word.
  const replyEnd = prompt.tokens.length - next.tokens.length
  prompt.ends.push(replyEnd, ...messages.map(() => prompt.tokens.length))
  for (const at of next.turns) prompt.turns.push(replyEnd + at)
}

/**
 * Tokens of what follows a reply: its end, the new messages, the opening of the next. With `opened`, what follows the
 * opening of a reply: first that reply, if there are any messages.
 */
export async function nextPrompt(
  context: PromptContext,
  system: string | undefined,
  messages: readonly LoggedMessage[],
  { opened = false, previous }: { opened?: boolean; previous?: LoggedMessage } = {},
): Promise<PromptTokens> {
  const tokens: number[] = []
  const ends: number[] = []
  const turns: number[] = []
  let marks: string[] | undefined
  for (let i = 0; i < messages.length; ) {
    if (opened) {
      await addTokens(context, tokens, replyPieces(context, messages[i]!, (marks ??= visibleMarks(context))))
      ends.push(tokens.length)
      i++
    }
    let reply = i
    while (reply < messages.length && (messages[reply]!.role !== 'assistant' || reply === i)) reply++
    const turn = messages.slice(i, reply)
    if (turn.length > 0)
      join({ tokens, ends, turns }, await turnPrompt(context, system, turn, messages[i - 1] ?? previous))
    i += turn.length
    opened = true
  }
  return { tokens, ends, turns }
}

/** The texts of the control tokens that replies show. */
function visibleMarks({ tokenizer, format }: PromptContext): string[] {
  return Array.from(format.visibleTokens, token => tokenizer.detokenize([token], { special: true }))
}

/** A reply as the model wrote it, or would. Its marks are control tokens; what else looks like one is text. */
function replyPieces(
  { format }: PromptContext,
  message: LoggedMessage,
  visibleMarks: readonly string[],
): PromptPiece[] {
  const text = replyText(message, format, () => format.toolFormat)
  const marks = visibleMarks.filter(mark => text.includes(mark))
  if (marks.length === 0) return [{ text, special: false }]
  const pattern = new RegExp(`(${marks.map(escapePattern).join('|')})`)
  return text
    .split(pattern)
    .filter(part => part !== '')
    .map(part => ({ text: part, special: marks.includes(part) }))
}

/** Tokens of what follows a reply, in one turn, whatever messages it has. `previous`: that reply. */
export async function turnPrompt(
  context: PromptContext,
  system: string | undefined,
  messages: readonly LoggedMessage[],
  previous?: LoggedMessage,
): Promise<PromptTokens> {
  const { format, pace = new Pace() } = context
  const after = previous?.toolCalls === undefined ? undefined : templateMessages([previous], format)[0]
  const { pieces, turnAt } = await pace.through(
    format.template.continueTurnInParts(templateMessages(messages, format, previous), {
      system: format.systemText(system),
      after,
    }),
  )
  const tokens: number[] = []
  await addTokens(context, tokens, pieces)
  // Tokenized together, as always, so that the boundary is nowhere felt: usually it is at a special token.
  const replyEnd: number[] = []
  await addTokens(context, replyEnd, firstPieces(pieces, turnAt))
  // What tools answer goes on with the turn in which they were called.
  const turns = messages[0]!.role === 'tool' ? [] : [commonPrefixLength(replyEnd, tokens)]
  return { tokens, ends: messages.map(() => tokens.length), turns }
}

/** Adds what comes behind a prompt to it. */
export function join(prompt: PromptTokens, next: PromptTokens): void {
  const before = prompt.tokens.length
  // One by one: a call takes only so many arguments.
  for (const token of next.tokens) prompt.tokens.push(token)
  for (const end of next.ends) prompt.ends.push(before + end)
  for (const turn of next.turns) prompt.turns.push(before + turn)
}

/**
 * Tokens from the start of the cache to where the first turn begins: the system prompt, given or the template's own.
 * None where turns begin at once, or that cannot be told.
 */
export function openingTokens({ tokenizer, format }: PromptContext, system: string | undefined): number[] {
  const pieces = format.template.renderOpening(format.systemText(system)) ?? []
  const tokens: number[] = []
  prependBos(tokenizer, tokens, pieces)
  for (const { text, special } of pieces) {
    // One by one: a call takes only so many arguments.
    for (const token of tokenizer.tokenize(text, { special })) tokens.push(token)
  }
  return tokens
}

/** How many tokens two lists begin with alike. */
export function commonPrefixLength(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let length = 0
  while (length < one.length && length < other.length && one[length] === other[length]) length++
  return length
}

/** The bos token, unless the template has written it. */
function prependBos({ bosToken, bosText }: Tokenizer, tokens: number[], pieces: readonly PromptPiece[]): void {
  const isWritten = pieces[0]?.special === true && bosText !== '' && pieces[0].text.startsWith(bosText)
  if (bosToken !== undefined && !isWritten) tokens.push(bosToken)
}

// On JavaScript's thread this much text takes a few milliseconds; more is tokenized beside it.
const slice = 16_384

async function addTokens(
  { tokenizer, pace = new Pace() }: PromptContext,
  tokens: number[],
  pieces: readonly PromptPiece[],
): Promise<void> {
  for (const { text, special } of pieces) {
    const added =
      text.length > slice
        ? await pace.beside(tokenizer.tokenizeLater(text, { special }))
        : tokenizer.tokenize(text, { special })
    for (let i = 0; i < added.length; i++) {
      if (i % partLength === partLength - 1 && pace.isTired) await pace.rest()
      tokens.push(added[i]!)
    }
    if (pace.isTired) await pace.rest()
  }
}

/** Where a template renders in whole, its text does not say where messages end: shared out by their lengths. */
function shareOut(messages: readonly LoggedMessage[], tokens: number): number[] {
  const lengths = messages.map(({ content }) => content.length + 16)
  const all = lengths.reduce((sum, length) => sum + length, 0)
  let before = 0
  return lengths.map(length => Math.round(((before += length) / all) * tokens))
}
