import { setTimeout as pause } from 'node:timers/promises'
import type { TextStream } from '../../../lib/engine/text-stream.js'
import {
  type Chat,
  type ChatMessage,
  type ChatOptions,
  type GenerateOptions,
  type StreamEvent,
  StreamingLLMError,
  streamChat,
} from '../../../lib/index.js'
import { Fault } from './fault.js'
import type { Operation, Reading } from './program.js'
import type { World } from './world.js'

/** What came of an operation. */
export interface Outcome {
  operation: Operation
  /** It was not even tried, since what it names is not there. */
  skipped?: boolean
  error?: unknown
  /** What its reader was told. */
  events?: StreamEvent[]
  /** Its reader went away before the last event. */
  wentAway?: boolean
  /** Chats that were made, in order, with what they answered. */
  made?: { chat: Chat; text?: string }[]
  /** The answer, of those who ask for it whole. */
  text?: string
  /** The last message's text when that failed: what has come of the answer, where anything has. */
  leftBehind?: string
  /** Messages that were taken back. */
  removed?: ChatMessage[]
  /** For streamChat: the history that was passed. */
  history?: ChatMessage[]
}

/**
 * Seconds of this process's CPU time, and on the clock, after which what has not ended never will: others may have the
 * machine.
 */
const patience = { cpu: 20, clock: 180 }

/**
 * Does one operation to its end, whatever that is. Of several, all begin in order before the first of them has ended.
 */
export async function act(world: World, operation: Operation): Promise<Outcome> {
  const outcome: Outcome = { operation }
  const clock = new AbortController()
  const hangs = outOfPatience(clock.signal).then(() => {
    throw new Fault('hang', `${operation.do} has not ended after ${patience.cpu} s of CPU time, or ${patience.clock} s`)
  })
  hangs.catch(() => {})
  try {
    await Promise.race([perform(world, outcome), hangs])
  } catch (error) {
    if (error instanceof Fault) throw error
    if (!StreamingLLMError.isInstance(error))
      throw new Fault(
        'untyped',
        `${operation.do} ended with what is no error of the library: ${error instanceof Error ? error.stack : String(error)}`,
      )
    outcome.error = error
  } finally {
    clock.abort()
  }
  return outcome
}

async function outOfPatience(signal: AbortSignal): Promise<void> {
  const before = process.cpuUsage()
  const started = performance.now()
  for (;;) {
    await pause(1_000, undefined, { signal })
    const { user, system } = process.cpuUsage(before)
    if (user + system > patience.cpu * 1e6 || performance.now() - started > patience.clock * 1e3) return
  }
}

async function perform(world: World, outcome: Outcome): Promise<void> {
  const { operation } = outcome
  const chat = 'chat' in operation ? world.chats.get(operation.chat)?.chat : undefined
  if (('chat' in operation && chat === undefined) || (operation.do === 'restore' && !world.files.has(operation.file))) {
    outcome.skipped = true
    return
  }
  switch (operation.do) {
    case 'create':
      outcome.made = [{ chat: world.model.createChat({ ...plainText(world), ...operation.options }) }]
      return
    case 'turn':
      return read(signal => chat!.stream(operation.input, { ...operation.options, signal }), operation.reading, outcome)
    case 'regenerate':
      return read(signal => chat!.regenerate({ ...operation.options, signal }), operation.reading, outcome)
    case 'ask':
      try {
        outcome.text = (await chat!.ask(operation.input, operation.options)).text
      } catch (error) {
        // Now, before what waits behind it takes it back.
        outcome.leftBehind = chat!.messages.at(-1)?.content
        throw error
      }
      return
    case 'undo':
      outcome.removed = await chat!.undo(operation.exchanges)
      return
    case 'fork':
      outcome.made = [{ chat: await chat!.fork() }]
      return
    case 'candidates':
      outcome.made = await chat!.candidates(operation.input, operation.as.length, operation.options)
      return
    case 'add':
      return chat!.add(operation.messages)
    case 'setSystem':
      return chat!.setSystem(operation.system)
    case 'save':
      return chat!.save(world.file(operation.file))
    case 'restore':
      outcome.made = [{ chat: await world.model.restoreChat(world.file(operation.file)) }]
      return
    case 'close':
      return chat!.close()
    case 'stateless': {
      const before = world.conversations.get(operation.conversation) ?? []
      const history: ChatMessage[] = [
        ...before.slice(0, 2 * operation.keep),
        { role: 'user', content: operation.input },
      ]
      outcome.history = history
      return read(
        signal =>
          streamChat({
            model: world.model,
            messages: history,
            sinks: 4,
            window: 120,
            ...plainText(world),
            ...operation.options,
            signal,
          }),
        operation.reading,
        outcome,
      )
    }
    case 'wait':
      await pause(operation.milliseconds)
      return
    case 'restart':
      return world.model.close()
    case 'together':
      throw new Error('operations that run together are performed one by one')
  }
}

class Out extends Error {}

/** Reads a reply as it is wanted. What was told before an error is kept. */
async function read(
  start: (signal: AbortSignal) => TextStream,
  { leave, slow, double }: Reading,
  outcome: Outcome,
): Promise<void> {
  const controller = new AbortController()
  const events: StreamEvent[] = (outcome.events = [])
  const stream = start(controller.signal)
  const ended = () => events.at(-1)?.type === 'finish'
  if (leave?.after === 0) {
    // The first event is asked for and not waited for.
    const first = stream.next()
    first.catch(() => {})
    await pause(leave.pause)
    if (leave.way === 'abort') controller.abort()
    const over = leave.way === 'abort' ? undefined : stream.return()
    // Both may fail, and the second failure must not be lost.
    const [{ value, done }] = await Promise.all([first, over])
    if (!done) events.push(value)
    if (leave.way !== 'abort') {
      outcome.wentAway = !ended()
      return
    }
  }
  if (leave?.way === 'return') {
    for (let i = 0; i < leave.after; i++) {
      const { value, done } = await stream.next()
      if (done) return
      events.push(value)
      if (slow !== undefined) await pause(slow)
    }
    await pause(leave.pause)
    outcome.wentAway = !ended()
    await stream.return()
    return
  }
  const loop = async () => {
    for await (const event of stream) {
      events.push(event)
      if (slow !== undefined) await pause(slow)
      if (leave === undefined || events.length !== leave.after) continue
      if (leave.pause > 0) await pause(leave.pause)
      if (leave.way === 'abort') {
        controller.abort()
        continue
      }
      outcome.wentAway = !ended()
      if (leave.way === 'break') break
      throw new Out()
    }
  }
  try {
    await Promise.all(double === true ? [loop(), loop()] : [loop()])
  } catch (error) {
    if (!(error instanceof Out)) throw error
  }
}

/** Control tokens within replies have no text, so what is kept could not be compared. */
function plainText(world: World): Pick<ChatOptions & GenerateOptions, 'logitBias'> {
  return { logitBias: world.controls.map(text => [text, false]) }
}
