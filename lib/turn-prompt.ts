import { setImmediate } from 'node:timers/promises'
import type { ChatMessage } from './messages.js'
import type { Model } from './model.js'
import type { ChatTemplate, PromptPiece } from './templates/chat-template.js'

/** A prompt in tokens, and where each message of it ends. */
export interface TurnTokens {
  tokens: number[]
  ends: number[]
}

/** Tokens of a conversation from its start, up to where the next reply begins. */
export async function wholePrompt(model: Model, template: ChatTemplate, system: string | undefined, messages: readonly ChatMessage[]): Promise<TurnTokens> {
  const head: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  const tokens: number[] = []
  const add = (pieces: PromptPiece[]) => addTokens(model, tokens, pieces)
  if (!template.incremental || messages[0]?.role === 'assistant') {
    const pieces = template.render([...head, ...messages], true)
    addBeginning(model, tokens, pieces)
    await add(pieces)
    return { tokens, ends: shareOut(messages, tokens.length) }
  }
  // As the conversation would have grown: each turn behind the reply before it. So it comes out as it did live.
  const ends: number[] = []
  for (let i = 0; i < messages.length;) {
    const reply = messages.findIndex((message, at) => at >= i && message.role === 'assistant')
    const turn = messages.slice(i, reply < 0 ? undefined : reply)
    const pieces = i === 0 ? template.render([...head, ...turn], true) : template.continueTurn(turn, { system })
    if (i === 0) addBeginning(model, tokens, pieces)
    await add(pieces)
    for (const _ of turn) ends.push(tokens.length)
    if (reply < 0) break
    await add([{ text: messages[reply]!.content, special: false }])
    ends.push(tokens.length)
    i = reply + 1
    if (i === messages.length) break
  }
  return { tokens, ends }
}

/** Tokens of what follows the last reply: its end, the new messages, the opening of the next. */
export async function nextPrompt(model: Model, template: ChatTemplate, system: string | undefined, messages: readonly ChatMessage[]): Promise<TurnTokens> {
  const tokens: number[] = []
  await addTokens(model, tokens, template.continueTurn(messages, { system }))
  return { tokens, ends: messages.map(() => tokens.length) }
}

/** How many tokens the system prompt has at the start of the cache; undefined where the template has no such part. */
export function systemTokens(model: Model, template: ChatTemplate, system: string): number | undefined {
  const pieces = template.renderSystem(system)
  if (pieces === undefined) return undefined
  const tokens: number[] = []
  addBeginning(model, tokens, pieces)
  for (const { text, special } of pieces) {
    // One by one: a call takes only so many arguments.
    for (const token of model.tokenize(text, { special })) tokens.push(token)
  }
  return tokens.length
}

/** The beginning-of-sequence token, unless the template has written it. */
function addBeginning(model: Model, tokens: number[], pieces: readonly PromptPiece[]): void {
  const { beginningToken, beginningText } = model.info
  const written = pieces[0]?.special === true && beginningText !== '' && pieces[0].text.startsWith(beginningText)
  if (beginningToken !== undefined && !written) tokens.push(beginningToken)
}

// Tokenizing runs on JavaScript's thread; this much text takes it a few milliseconds.
const slice = 16_384

async function addTokens(model: Model, tokens: number[], pieces: readonly PromptPiece[]): Promise<void> {
  let since = 0
  for (const { text, special } of pieces) {
    for (const part of parts(text)) {
      for (const token of model.tokenize(part, { special })) tokens.push(token)
      since += part.length
      if (since >= slice) {
        since = 0
        await setImmediate()
      }
    }
  }
}

/** Cuts a very long text before spaces, where tokenizers cut as well. */
function* parts(text: string): Generator<string> {
  while (text.length > 2 * slice) {
    const space = text.indexOf(' ', slice)
    if (space < 0 || space > 2 * slice) break
    yield text.slice(0, space)
    text = text.slice(space)
  }
  yield text
}

/** Where a template renders in whole, its text does not say where messages end: shared out by their lengths. */
function shareOut(messages: readonly ChatMessage[], tokens: number): number[] {
  const lengths = messages.map(({ content }) => content.length + 16)
  const all = lengths.reduce((sum, length) => sum + length, 0)
  let before = 0
  return lengths.map(length => Math.round(((before += length) / all) * tokens))
}
