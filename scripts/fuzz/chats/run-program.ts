import { act, type Outcome } from './act.js'
import { apply, type Company } from './apply.js'
import { compareChat, compareSize, type ScoredReply } from './compare-chat.js'
import { Fault } from './fault.js'
import { countOperations, type Operation, type Program } from './program.js'
import { Reference } from './reference.js'
import { World } from './world.js'

/** After so many operations all chats are compared, not only those that the last ones were about. */
const compareAllEvery = 8

/** Runs a program and compares all along. Throws a Fault, whose message names the operation. */
export async function runProgram(program: Program): Promise<void> {
  const world = await World.open(program.setup)
  const reference = await Reference.of(world.path)
  try {
    let done = 0
    for (const [i, operation] of program.operations.entries()) {
      try {
        const touched = await step(world, reference, operation)
        done += countOperations([operation])
        const all =
          Math.floor(done / compareAllEvery) > Math.floor((done - countOperations([operation])) / compareAllEvery)
        for (const [name, live] of world.chats)
          if (all && !touched.has(name)) await compareChat(world, reference, name, live)
      } catch (error) {
        if (error instanceof Fault)
          throw new Fault(error.kind, `operation ${i + 1} (${operation.do}): ${error.message}`, i + 1)
        throw error
      }
    }
  } finally {
    await world.close()
  }
}

/** Returns the names of the chats that have been compared. */
async function step(world: World, reference: Reference, operation: Operation): Promise<Set<string>> {
  const operations = operation.do === 'together' ? operation.operations : [operation]
  const company: Company = {
    others: operations.length > 1,
    closed: new Set(operations.flatMap(each => (each.do === 'close' ? [each.chat] : []))),
    restarts: operations.some(each => each.do === 'restart'),
  }
  const evicted = new Map(
    Array.from(world.chats, ([name, { chat }]) => [name, chat.conversation.runner.counts.evictedTokens]),
  )
  const outcomes = await Promise.all(operations.map(each => act(world, each)))
  const touched = new Set<string>()
  for (const outcome of outcomes) for (const name of apply(world, outcome, company)) touched.add(name)
  if (company.restarts) {
    world.chats.clear()
    await world.load()
  }
  const reply = company.others ? undefined : scoredReply(outcomes[0]!)
  for (const name of touched) {
    const live = world.chats.get(name)
    if (live === undefined) continue
    await compareChat(world, reference, name, live, reply)
    if (company.others) continue
    compareUsage(outcomes[0]!, name, live.chat.usage)
    if (filled(outcomes[0]!, name)) compareSize(world, name, live, evicted.get(name) ?? 0)
  }
  return touched
}

function scoredReply({ events, operation }: Outcome): ScoredReply | undefined {
  const { options } = operation as { options?: { speculation?: boolean } }
  if (events === undefined || options?.speculation === true) return undefined
  const tokens = events.flatMap(event => (event.type === 'text' ? (event.tokens ?? []) : []))
  return tokens.length === 0
    ? undefined
    : { tokens: tokens.map(({ token }) => token), scores: tokens.map(({ logprob }) => logprob) }
}

/** What the last event said of the conversation is what it says now. */
function compareUsage(
  { events = [], operation }: Outcome,
  name: string,
  usage: { seenTokens: number; cachedTokens: number; evictedTokens: number },
): void {
  const last = events.at(-1)
  if (last?.type !== 'finish' || !('chat' in operation) || operation.chat !== name) return
  for (const key of ['seenTokens', 'cachedTokens', 'evictedTokens'] as const) {
    if (last.usage[key] !== usage[key])
      throw new Fault(
        'finish',
        `${name}: its last event told ${key} ${last.usage[key]}, and its usage says ${usage[key]}`,
      )
  }
}

/** Whether the chat has just had a reply of which nothing was taken back. */
function filled({ events = [], operation }: Outcome, name: string): boolean {
  const last = events.at(-1)
  return 'chat' in operation && operation.chat === name && last?.type === 'finish' && last.reason === 'length'
}
