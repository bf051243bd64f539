import * as v from 'valibot'
import { maxCells } from '../engine/cache-constants.js'
import type { LoggedMessage } from '../messages.js'
import { describe } from '../options/check.js'
import { extendDigest } from './message-log.js'
import { parseChatOptions } from './parse-options.js'
import type { SavedChat } from './saved-chat.js'

/** Tokens of a conversation, of which there may be more than positions. */
const tokens = v.pipe(v.number('a number'), v.safeInteger('a whole number'), v.minValue(0, 'at least 0'))

const position = v.pipe(tokens, v.maxValue(2 ** 30, 'at most 2^30'))

const cells = v.pipe(tokens, v.maxValue(maxCells, `at most ${maxCells}`))

const text = v.string('a string')

const calls = v.array(
  v.looseObject({ id: text, name: text, arguments: v.record(v.string(), v.unknown(), 'an object') }, 'an object'),
  'an array',
)

const message = v.object(
  {
    role: v.pipe(text, v.nonEmpty('a string that is not empty')),
    content: text,
    toolCalls: v.exactOptional(calls),
    toolCallId: v.exactOptional(text),
    reasoning: v.exactOptional(text),
    raw: v.exactOptional(text),
  },
  'an object',
)

const entry = v.object({ message, end: tokens, left: v.boolean('true or false'), digest: text }, 'an object')

const head = v.object(
  {
    model: text,
    cache: text,
    system: v.exactOptional(text),
    mark: v.exactOptional(v.object({ template: text, told: text, opening: text, tokens }, 'an object')),
    options: v.looseObject({ sampling: v.looseObject({}, 'an object') }, 'an object'), // by parseChatOptions
    sizes: v.object(
      {
        policy: v.picklist(['streaming', 'dense', 'recompute', 'refill'], 'a policy'),
        sinks: cells,
        window: v.pipe(cells, v.minValue(1, 'at least 1')),
        reanchorEvery: v.pipe(position, v.minValue(1, 'at least 1')),
        rebaseAfter: v.pipe(position, v.minValue(1, 'at least 1')),
        byTurn: v.exactOptional(v.boolean('true or false')),
        verify: v.boolean('true or false'),
        firstPosition: v.pipe(position, v.maxValue(0, '0')),
      },
      'an object',
    ),
    begun: v.boolean('true or false'),
    skipped: tokens,
    seenBefore: tokens,
    counts: v.object({ seenTokens: tokens, cachedTokens: tokens, evictedTokens: tokens }, 'an object'),
    log: v.object(
      { dropped: v.object({ count: tokens, hash: text }, 'an object'), entries: v.array(entry, 'an array') },
      'an object',
    ),
  },
  'an object',
)

/** What was read of a saved chat, checked like any input. Throws an `Error` that says what is wrong with it. */
export function checkSavedHead(given: unknown): Omit<SavedChat, 'state'> {
  const result = v.safeParse(head, given, { abortEarly: true, abortPipeEarly: true })
  if (!result.success) {
    const issue = result.issues[0]
    throw new Error(
      `'${(issue.path ?? []).map(({ key }) => String(key)).join('.')}' must be ${issue.message}, and is ${describe(issue.input)}`,
    )
  }
  const {
    options: { sampling, ...options },
    log,
    ...rest
  } = result.output
  const { messages: _, tools: __, ...checked } = parseChatOptions({ ...options, ...sampling }, 'restoreChat')
  if (log.entries.some(({ left }, i) => left && log.entries[i - 1]?.left === false))
    throw new Error('a message has left the window before an earlier one')
  return {
    ...rest,
    options: checked,
    log: { dropped: log.dropped, entries: withDigests(log.dropped.hash, log.entries as Logged[]) },
  }
}

interface Logged {
  message: LoggedMessage
  end: number
  left: boolean
}

/** The digests are computed again: those of a file are not trusted. */
function withDigests(start: string, entries: readonly Logged[]): SavedChat['log']['entries'] {
  let digest = start
  return entries.map(({ message, end, left }) => {
    digest = extendDigest(digest, message)
    return { message, end, left, digest }
  })
}
