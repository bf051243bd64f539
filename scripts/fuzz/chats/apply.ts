import { nothingDecoded, waitedAlready } from '../../../lib/chat/conversation.js'
import type { ChatMessage, GenerateOptions, StreamEvent, StreamingLLMError } from '../../../lib/index.js'
import type { Outcome } from './act.js'
import { ExpectedChat } from './expected-chat.js'
import { Fault } from './fault.js'
import type { LiveChat, World } from './world.js'

/** What runs at the same time, and so may come in between. */
export interface Company {
  /** Other operations do. */
  others: boolean
  /** Chats that are closed meanwhile. */
  closed: ReadonlySet<string>
  /** The model is. */
  restarts: boolean
}

/**
 * What an operation changes of what the chats should hold. Throws a Fault where its outcome could not be. Returns the
 * names of the chats that it was about.
 */
export function apply(world: World, outcome: Outcome, company: Company): string[] {
  const { operation, error } = outcome
  if (outcome.skipped === true) return []
  if (error !== undefined && !mayFail(world, outcome, company)) {
    const { code, message } = error as StreamingLLMError
    throw new Fault(
      `error ${code}: ${message.replaceAll(/\d+/g, '#')}`,
      `${operation.do} failed with ${code}: ${message}`,
    )
  }
  if (outcome.events !== undefined) judgeEvents(outcome)
  const live = 'chat' in operation ? world.chats.get(operation.chat) : undefined
  const failed = error !== undefined
  switch (operation.do) {
    case 'create': {
      const { messages = [], system, keepMessages } = operation.options
      if (!failed)
        begin(world, operation.as, outcome.made![0]!, [
          new ExpectedChat(messages, system, { bosText: world.bosText, keepsAll: keepMessages === 'all' }),
        ])
      return [operation.as]
    }
    case 'turn':
    case 'ask': {
      const input: ChatMessage[] =
        typeof operation.input === 'string' ? [{ role: 'user', content: operation.input }] : operation.input
      change(live, before =>
        replies(outcome).map(text =>
          text === undefined ? before : before.clone().say([...input, { role: 'assistant', content: text }]),
        ),
      )
      return [operation.chat]
    }
    case 'regenerate': {
      // A regeneration decodes no prompt, so that one that was kept without an answer may look as if it had never
      // begun.
      const nothing = neverBegan(outcome)
      if (
        (error as StreamingLLMError | undefined)?.code === 'EVICTED' ||
        (nothing && operation.options.keepUnanswered !== true)
      )
        return [operation.chat]
      if (!company.others && live !== undefined && !live.possible.some(({ hasReply }) => hasReply))
        throw new Fault('regenerate', 'regenerate answered again where there was no reply to a message in the window')
      change(live, before => {
        const without = before.clone()
        without.removeLast(1)
        return (nothing ? [undefined, operation.options.startWith ?? ''] : replies(outcome)).map(text =>
          text === undefined ? before : without.clone().say([{ role: 'assistant', content: text }]),
        )
      })
      return [operation.chat]
    }
    case 'undo': {
      if (failed) return [operation.chat]
      const removed = outcome.removed!
      change(
        live,
        before => {
          const max = before.lastExchanges(operation.exchanges)
          if (company.others ? removed.length > before.present.length : removed.length !== max) return []
          const after = before.clone()
          return JSON.stringify(after.removeLast(removed.length)) === JSON.stringify(removed) ? [after] : []
        },
        () => `undo returned ${JSON.stringify(removed)}`,
      )
      return [operation.chat]
    }
    case 'fork':
      if (!failed)
        begin(
          world,
          operation.as,
          outcome.made![0]!,
          live!.possible.map(each => each.clone()),
        )
      return [operation.chat, operation.as]
    case 'candidates':
      if (!failed) {
        outcome.made!.forEach((made, i) =>
          begin(
            world,
            operation.as[i]!,
            made,
            live!.possible.map(each =>
              each.clone().say([
                { role: 'user', content: operation.input },
                { role: 'assistant', content: made.text! },
              ]),
            ),
          ),
        )
      }
      return [operation.chat, ...operation.as]
    case 'add':
      change(live, before => [...(failed ? [before] : []), before.clone().say(operation.messages)])
      return [operation.chat]
    case 'setSystem':
      if (!failed) {
        change(live, before => {
          const after = before.clone()
          after.system = operation.system
          after.hadOtherSystem = true
          return [after]
        })
      }
      return [operation.chat]
    case 'save':
      // One that is read at the same time may be the one before.
      if (!failed)
        world.files.set(operation.file, [
          ...(company.others ? (world.files.get(operation.file) ?? []) : []),
          ...live!.possible.map(each => each.clone()),
        ])
      return [operation.chat]
    case 'restore': {
      if (failed) return []
      const made = outcome.made![0]!
      const from = made.chat.restoredFrom!
      if (from.what !== 'cache' && from.reason !== nothingDecoded && from.reason !== waitedAlready)
        throw new Fault('restored', `a chat was restored from its ${from.what} alone: ${from.reason}`)
      begin(
        world,
        operation.as,
        made,
        world.files.get(operation.file)!.map(each => each.clone()),
      )
      return [operation.as]
    }
    case 'close':
      world.chats.delete(operation.chat)
      return []
    case 'stateless': {
      const text = textOf(outcome.events!)
      if (text !== '')
        world.conversations.set(operation.conversation, [...outcome.history!, { role: 'assistant', content: text }])
      return []
    }
    default:
      return []
  }
}

function begin(world: World, name: string, { chat }: { chat: LiveChat['chat'] }, possible: ExpectedChat[]): void {
  world.chats.set(name, { chat, possible })
}

function change(
  live: LiveChat | undefined,
  each: (before: ExpectedChat) => ExpectedChat[],
  what: () => string = () => 'it',
): void {
  if (live === undefined) return
  const after = live.possible.flatMap(each)
  if (after.length === 0)
    throw new Fault(
      'changed',
      `${what()}, which could not be; the chat held ${JSON.stringify(live.possible[0]!.messages)}`,
    )
  live.possible = after
}

/** What the reply in the history may be; undefined: the turn has left no trace. */
function replies(outcome: Outcome): (string | undefined)[] {
  const { operation, error, events = [] } = outcome
  const { keepUnanswered, startWith = '' } = (operation as { options: GenerateOptions }).options
  // Who waits for the whole answer is not told what came before it failed, or whether time was over.
  if (operation.do === 'ask')
    return error !== undefined
      ? [undefined, outcome.leftBehind]
      : outcome.text === ''
        ? [undefined, '']
        : [outcome.text]
  if (neverBegan(outcome)) return [undefined]
  const text = textOf(events)
  const last = events.at(-1)
  const isOver = last?.type === 'finish' && last.reason !== 'abort' && last.reason !== 'time'
  if (text !== '' || isOver) return [text]
  // What fails before the first event may have been refused before it began.
  return keepUnanswered !== true
    ? [undefined]
    : error !== undefined && events.length === 0
      ? [undefined, startWith]
      : [startWith]
}

function textOf(events: readonly StreamEvent[]): string {
  return events.map(event => (event.type === 'text' ? event.text : '')).join('')
}

/** Left in the queue behind another turn, or of no trace all the same. */
function neverBegan({ events, error }: Outcome): boolean {
  if (error !== undefined || events?.length !== 1) return false
  const [only] = events
  return (
    only!.type === 'finish' &&
    only.usage.promptTokens === 0 &&
    only.usage.completionTokens === 0 &&
    ['abort', 'time'].includes(only.reason)
  )
}

function mayFail(world: World, { operation, error }: Outcome, { closed, restarts, others }: Company): boolean {
  const { code, message } = error as StreamingLLMError
  const options = 'chat' in operation ? world.chats.get(operation.chat)?.chat.limits : undefined
  switch (code) {
    case 'CLOSED':
      return restarts || ('chat' in operation && closed.has(operation.chat))
    case 'NO_SEQUENCE_LEFT':
      return (
        world.setup.whenFull === 'refuse' &&
        ['create', 'fork', 'candidates', 'restore', 'stateless'].includes(operation.do) &&
        !message.includes('sequence id')
      )
    case 'CACHE_FULL':
      return options?.policy === 'dense'
    case 'WINDOW_TOO_LARGE':
      return ['create', 'setSystem', 'restore', 'stateless'].includes(operation.do)
    case 'INVALID_OPTION':
      return operation.do === 'create' && /^'(rebaseAfter|reanchorEvery)'/.test(message)
    case 'EVICTED':
      return (
        operation.do === 'regenerate' &&
        (others || world.chats.get(operation.chat)!.possible.some(({ hasReply }) => !hasReply))
      )
    default:
      return false
  }
}

/** That the events of a reply go together. */
function judgeEvents({ operation, events = [], error, wentAway }: Outcome): void {
  const { options } = operation as { options: { maxTokens?: number; logprobs?: number; startWith?: string } }
  const wrong = (what: string) => new Fault('events', `${operation.do}: ${what}: ${JSON.stringify(events)}`)
  const finishes = events.filter(({ type }) => type === 'finish')
  if (finishes.length > 1 || (finishes.length === 1 && events.at(-1)!.type !== 'finish'))
    throw wrong('finish is not the last event')
  if (finishes.length === 0 && error === undefined && wentAway !== true) throw wrong('no finish')
  let done = -1
  for (const event of events) {
    if (event.type !== 'prefill') continue
    if (event.done < done || event.done > event.total) throw wrong('prefill goes wrong')
    done = event.done
  }
  const last = events.at(-1)
  if (last?.type !== 'finish') return
  const { usage } = last
  if (usage.cachedTokens > 0 && usage.seenTokens !== usage.cachedTokens + usage.evictedTokens)
    throw wrong('usage does not add up')
  if (options.maxTokens !== undefined && usage.completionTokens > options.maxTokens)
    throw wrong('more tokens than were asked for')
}
