import type { Deadline } from '../engine/deadline.js'
import { generateJob, textEvent } from '../engine/generate-job.js'
import type { NativeEvent, NativeJob } from '../engine/native.js'
import { abortedInQueue, finishEvent } from '../engine/text-stream.js'
import type { FinishEvent, StreamEvent } from '../events.js'
import type { ChatMessage, ToolCall } from '../messages.js'
import type { ParsedGenerateOptions } from '../options/parse.js'
import { withAnswers } from '../tools/call-answers.js'
import { outcomeMessage, runTools } from '../tools/run-tools.js'
import type { ParsedTools } from '../tools/tools.js'
import { followingController } from '../util/abort.js'
import { Left, Pace } from '../util/pace.js'
import type { ChatContext, Conversation } from './conversation.js'
import type { PromptTokens } from './prompt-tokens.js'
import { inToolScope } from './reentrancy.js'
import { ReplyEvents } from './reply-events.js'

/** Where a turn is taken. */
export interface TurnScope {
  context: ChatContext
  conversation: Conversation
  /** Throws CLOSED. */
  assertOpen(): void
  /** Fire when `assertOpen` begins to throw. */
  closed: readonly AbortSignal[]
  deadline: Deadline
}

/**
 * A turn: the input and the reply. A reply that calls tools is followed by their results and the next reply, until one
 * calls none. Yields all events but the last, which it returns. The conversation's runner must be free, and stay so.
 *
 * A turn that was left or has failed before anything was delivered leaves no trace: a question with an empty reply
 * would teach the model to answer nothing. `putBack` then restores what was removed for it.
 */
export async function* takeTurn(
  scope: TurnScope,
  messages: readonly ChatMessage[],
  options: ParsedGenerateOptions,
  putBack?: () => Promise<void>,
): AsyncGenerator<StreamEvent, FinishEvent | undefined, undefined> {
  const { conversation } = scope
  const standing = conversation.standing
  const progress: Progress = { begun: false, delivered: false }
  const stays = () => progress.delivered || (progress.begun && options.keepUnanswered)
  let finish: FinishEvent | undefined
  let isOver = false
  try {
    finish = yield* takeRounds(scope, messages, options, progress)
    isOver = finish !== undefined && finish.reason !== 'abort' && finish.reason !== 'time'
  } finally {
    if (!isOver && !stays()) {
      await conversation.rollBack(standing)
      await putBack?.()
    }
  }
  if (isOver || stays() || finish === undefined) return finish
  return { ...finish, usage: { promptTokens: 0, reusedTokens: 0, completionTokens: 0, ...conversation.usage } }
}

/** How far a turn has come. */
interface Progress {
  /** The engine has got the input. */
  begun: boolean
  /** The reader has got some of the reply. */
  delivered: boolean
}

async function* takeRounds(
  scope: TurnScope,
  messages: readonly ChatMessage[],
  options: ParsedGenerateOptions,
  progress: Progress,
): AsyncGenerator<StreamEvent, FinishEvent | undefined, undefined> {
  const { context, conversation, assertOpen, deadline } = scope
  const tools = options.tools ?? context.format.tools
  const { log } = conversation
  let input = withAnswers(log.present.at(-1)?.message, messages)
  let total: FinishEvent | undefined
  for (let round = 1; ; round++) {
    const prompt = await prepared(scope, input, options)
    assertOpen() // it may have been closed meanwhile
    if (prompt === undefined) {
      const reason = options.signal?.aborted === true ? 'abort' : 'time'
      return total === undefined ? abortedInQueue(conversation.usage, reason) : { ...total, reason }
    }
    input.forEach((message, i) => log.add(message, prompt.ends[i]!))
    const { finish, toolCalls = [], invalid } = yield* takeReply(scope, prompt, options, round, progress)
    if (finish === undefined) return total
    total = total === undefined ? finish : together(total, finish)
    // A limit that came after a call has not taken it back.
    const ended = finish.reason === 'end' || (finish.reason === 'length' && toolCalls.length > 0)
    if (!ended || toolCalls.length + invalid.length === 0) return total
    const ours =
      toolCalls.every(({ name }) => tools?.execute.has(name)) && (toolCalls.length > 0 || tools!.execute.size > 0)
    if (!ours || round > options.maxToolRounds) return toolCalls.length > 0 ? { ...total, reason: 'tool-calls' } : total
    input = yield* answerCalls(scope, tools!, toolCalls, invalid, options.signal)
    if (options.signal?.aborted === true) return { ...total, reason: 'abort' }
    if (deadline.passed) return { ...total, reason: 'time' }
  }
}

/** What the engine is to be told; undefined where the turn was left before it was known. */
async function prepared(
  { conversation, closed, deadline }: TurnScope,
  input: readonly ChatMessage[],
  { signal, keepUnanswered }: ParsedGenerateOptions,
): Promise<PromptTokens | undefined> {
  // What is to be kept becomes tokens first, whatever the reader does; the engine then learns that it was left.
  const signals = keepUnanswered ? closed : [signal, deadline.signal, ...closed]
  try {
    return await conversation.prepare(input, new Pace(signals))
  } catch (error) {
    if (error instanceof Left) return undefined
    throw error
  }
}

/**
 * One reply's events but for the last one, which it returns. The reply, as far as it was delivered, joins the history.
 */
async function* takeReply(
  scope: TurnScope,
  prompt: PromptTokens,
  options: ParsedGenerateOptions,
  round: number,
  progress: Progress,
): AsyncGenerator<StreamEvent, { finish?: FinishEvent; toolCalls?: ToolCall[]; invalid: string[] }, undefined> {
  const { context, conversation } = scope
  const asked = askForReply(context, conversation, prompt, options, round)
  const seenBefore = conversation.runner.counts.seenTokens
  let finish: FinishEvent | undefined
  try {
    finish = yield* streamReply(scope, asked, options, seenBefore, progress)
  } finally {
    keepReply(conversation, asked, seenBefore, progress)
  }
  const { reply } = asked
  return { finish, toolCalls: reply.message.toolCalls, invalid: reply.invalid }
}

/** A reply that is asked for, and what has come of it. */
interface AskedReply {
  job: NativeJob
  reply: ReplyEvents
  /** What it starts with; empty once that has been added to it. */
  start: string
}

/** First step: what the engine is asked for, and what will read it. */
function askForReply(
  { format, tokenizer, warn }: ChatContext,
  { sizes }: Conversation,
  { tokens, turns }: PromptTokens,
  options: ParsedGenerateOptions,
  round: number,
): AskedReply {
  const { responseFormat, maxToolRounds } = options
  // An answer of some form, where one is asked for, comes after the last round too.
  const callsAllowed = options.toolChoice !== 'none' && !(responseFormat !== undefined && round > maxToolRounds)
  const choice = !callsAllowed ? 'none' : round === 1 ? options.toolChoice : 'auto'
  const made = options.grammar === undefined ? format.replyGrammar(choice, responseFormat?.grammar, warn) : undefined
  const start = round === 1 ? options.startWith : ''
  const grammar = options.grammar ?? (made === undefined ? undefined : format.jobGrammar(made, start))
  const callsOrText = responseFormat !== undefined
  const unmarkedCalls = !callsOrText && options.grammar === undefined
  const reply = new ReplyEvents(format.createReader({ calls: callsAllowed, callsOrText, unmarkedCalls }))
  const prompt = {
    tokens: numbers(tokens, start === '' ? [] : tokenizer.tokenize(start)),
    turns: Int32Array.from(turns),
    shown: format.visibleTokens,
  }
  return { job: generateJob(tokenizer, sizes.sinks + sizes.window, prompt, { ...options, grammar }), reply, start }
}

/** Second step: the engine's events become the reader's. Returns the last one. */
async function* streamReply(
  { context, conversation, deadline }: TurnScope,
  asked: AskedReply,
  { signal, keepUnanswered }: ParsedGenerateOptions,
  seenBefore: number,
  progress: Progress,
): AsyncGenerator<StreamEvent, FinishEvent | undefined, undefined> {
  const { runner } = conversation
  const { reply } = asked
  let finish: FinishEvent | undefined
  const deliver = function* (events: StreamEvent[]) {
    if (events.length > 0) progress.delivered = true
    yield* events
  }
  for await (const event of runner.run(asked.job, signal, deadline)) {
    // Told once the engine has it: leaving here leaves a conversation that holds it.
    progress.begun = true
    // A reply that was over before its first token has its start all the same, where the turn is kept.
    const starts = event.type !== 'finish' || (keepUnanswered && runner.counts.seenTokens > seenBefore)
    if (asked.start !== '' && starts) yield* deliver(reply.push(takeStart(asked)))
    if (event.type === 'finish') {
      const { usage, ...told } = finishEvent(event)
      finish = { ...told, usage: { ...usage, ...conversation.usage } }
    } else if (event.type === 'text') {
      const { text, tokens } = textEvent(context.tokenizer, event)
      yield* deliver(reply.push(text, tokens))
    } else {
      const streamed = publicEvent(conversation, event)
      if (streamed !== undefined) yield streamed
    }
  }
  yield* deliver(reply.end())
  return finish
}

/** Third step, however the second has ended: the reply, as far as it was delivered, joins the history. */
function keepReply(conversation: Conversation, asked: AskedReply, seenBefore: number, progress: Progress): void {
  const { counts } = conversation.runner
  const { reply } = asked
  // Where it failed or was over before its first event, it is there all the same, though nothing has told of it.
  progress.begun ||= counts.seenTokens > seenBefore
  if (asked.start !== '' && progress.begun) reply.push(takeStart(asked))
  reply.end()
  conversation.log.add(reply.message, counts.seenTokens)
  if (counts.evictedTokens > 0) conversation.leave(counts.evictedTokens)
}

function takeStart(asked: AskedReply): string {
  const { start } = asked
  asked.start = ''
  return start
}

/** Both lists, one behind the other: there may be millions. */
function numbers(one: readonly number[], other: ArrayLike<number>): Int32Array {
  const both = new Int32Array(one.length + other.length)
  both.set(one)
  both.set(other, one.length)
  return both
}

function publicEvent(conversation: Conversation, event: NativeEvent): StreamEvent | undefined {
  switch (event.type) {
    case 'evict':
      return { type: 'evict', tokens: event.tokens, messages: conversation.leave(event.total) }
    case 'prefill':
    case 'rebase':
      return event
    default:
      return undefined
  }
}

/** Runs the tools, yields the result of each, and returns the messages for the model. */
async function* answerCalls(
  { conversation, assertOpen, closed, deadline }: TurnScope,
  tools: ParsedTools,
  calls: readonly ToolCall[],
  invalid: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<StreamEvent, ChatMessage[], undefined> {
  const { controller, unlink } = followingController(signal, deadline.signal, ...closed)
  try {
    const outcomes = await inToolScope(conversation, () => runTools(tools, calls, controller.signal))
    assertOpen()
    for (const {
      call: { id, name },
      result,
      error,
    } of outcomes)
      yield error === undefined ? { type: 'tool-result', id, name, result } : { type: 'tool-result', id, name, error }
    // What was no call has no answer, but must be told.
    const wrong = invalid.map(reason => `<tool_response>\nError: ${reason}\n</tool_response>`)
    return [
      ...outcomes.map(outcomeMessage),
      ...(wrong.length === 0 ? [] : [{ role: 'user', content: wrong.join('\n') }]),
    ]
  } finally {
    // Who leaves in the midst of it leaves the tools too.
    controller.abort()
    unlink()
  }
}

/** Of a turn of several replies. */
function together(one: FinishEvent, next: FinishEvent): FinishEvent {
  const sum = (name: 'promptTokens' | 'reusedTokens' | 'completionTokens') => one.usage[name] + next.usage[name]
  const promptMs = one.timings.promptMs + next.timings.promptMs
  const generationMs = one.timings.generationMs + next.timings.generationMs
  const completionTokens = sum('completionTokens')
  return {
    ...next,
    usage: { ...next.usage, promptTokens: sum('promptTokens'), reusedTokens: sum('reusedTokens'), completionTokens },
    timings: {
      promptMs,
      generationMs,
      tokensPerSecond: generationMs > 0 ? (completionTokens * 1000) / generationMs : 0,
    },
  }
}
