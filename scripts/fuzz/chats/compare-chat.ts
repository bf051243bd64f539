import type { ExpectedChat, Observed } from './expected-chat.js'
import { Fault } from './fault.js'
import { disagreement, farthest, maxTokens, type Reference, type Thought } from './reference.js'
import type { LiveChat, World } from './world.js'

/** Most that log-probabilities of a 32-bit cache may differ by. */
const bound = 2e-3
/**
 * Tokens of the window that may have been evicted, told of, and brought back: the run-ahead, and drafts. Where whole
 * turns are evicted, one such token takes its turn along, however long that is.
 */
const broughtBack = 40
/** In so many places a new sequence is cut, to see what a last bit does. */
const maxCuts = 400
/** The tokens of a reply, and how likely it said that they were. */
export interface ScoredReply {
  tokens: readonly number[]
  scores: readonly number[]
}

/**
 * Reads what a chat's sequence holds, and compares it with what it should hold; then what its cache makes of it with
 * what a new sequence does. Does not decode anything in it. Throws a Fault.
 */
export async function compareChat(
  world: World,
  reference: Reference,
  name: string,
  live: LiveChat,
  reply?: ScoredReply,
): Promise<void> {
  const { conversation } = live.chat
  const release = (await conversation.runner.acquire())!
  let kept: Int32Array
  let state: Uint8Array
  try {
    kept = await conversation.keptTokens()
    state = (await conversation.runner.finish({ type: 'save' })).state!
  } finally {
    release()
  }
  // What a conversation that begins anew with its next turn still has in its sequence is of no account.
  if (live.chat.usage.cachedTokens === 0) kept = new Int32Array()
  compareBookkeeping(world, name, live, kept)
  const thought = await compareLogits(world, reference, live, kept, state, reply)
  if (thought !== undefined) throw new Fault('logits', `${name}: ${thought}`)
}

/** That as many tokens are kept as there should be, after a reply that came to its end. */
export function compareSize({ model }: World, name: string, { chat }: LiveChat, evictedBefore: number): void {
  const { sinks, window, policy, evict } = chat.limits
  const { cachedTokens, evictedTokens } = chat.conversation.runner.counts
  const full = sinks + window
  // A recurrent model decodes again what was taken back.
  const waiting =
    model.memory.kind === 'hybrid' || model.memory.kind === 'recurrent' ? 48 : policy === 'recompute' ? 2 : 1
  const max = full + waiting
  if (cachedTokens > max)
    throw new Fault('size', `${name}: ${cachedTokens} tokens are kept, and there should be ${max} at most`)
  if (policy === 'dense' && evictedTokens > 0)
    throw new Fault('size', `${name}: a dense cache has evicted ${evictedTokens} tokens`)
  const exact = policy === 'streaming' && evict === 'token' && waiting === 1
  if (exact && evictedTokens > 0 && evictedTokens !== evictedBefore && cachedTokens !== max)
    throw new Fault(
      'size',
      `${name}: ${cachedTokens} tokens are kept although some were evicted, and there should be ${max}`,
    )
}

function compareBookkeeping(world: World, name: string, live: LiveChat, kept: Int32Array): void {
  const { model } = world
  const { chat } = live
  const { sinks } = chat.limits
  const text = (from: number, to?: number) => model.detokenize(kept.subarray(from, to), { special: true })
  const observed: Observed = {
    messages: chat.messages,
    present: chat.conversation.log.present.map(({ message: { role, content } }) => ({ role, content })),
    system: chat.system,
    kept: text(0),
    sinks: text(0, sinks),
    window: text(sinks),
    windowStart: text(sinks, chat.limits.evict === 'turn' ? undefined : sinks + broughtBack),
    keptTokens: kept.length,
    usage: chat.usage,
  }
  // Rather one that holds what is there than one of which some would have left.
  const isThere = (each: ExpectedChat) => JSON.stringify(each.present) === JSON.stringify(observed.present)
  const possible = [...live.possible.filter(isThere), ...live.possible.filter(each => !isThere(each))]
  const wrong = possible.map(each => each.compare(observed))
  const right = wrong.indexOf(undefined)
  if (right < 0) throw new Fault(wrong[0]!.split(':')[0]!, `${name}: ${wrong.join('; or else: ')}`)
  live.possible = [possible[right]!]
}

async function compareLogits(
  world: World,
  reference: Reference,
  { chat, possible }: LiveChat,
  kept: Int32Array,
  state: Uint8Array,
  reply?: ScoredReply,
): Promise<string | undefined> {
  const { conversation } = chat
  const tokens = comparable(
    world,
    chat,
    kept,
    possible.some(({ hadOtherSystem }) => hadOtherSystem),
  )
  if (tokens === undefined) return undefined
  const isWhole = conversation.runner.counts.evictedTokens === 0 && tokens.length === kept.length
  const replied = reply !== undefined && isWhole && endsWith(tokens, reply.tokens) ? reply : { tokens: [], scores: [] }
  const found: Thought = { scores: [...replied.scores], next: (await reference.saved(state, conversation.sizes)).next }
  const expected = await reference.fresh(tokens, replied.tokens.length)
  const apart = disagreement(found, expected, bound)
  if (apart === undefined) return undefined
  return (await isRounding(reference, tokens, replied.tokens.length, found, expected)) ? undefined : apart
}

/**
 * Now and then layers make much of a last bit, and it matters which token was decoded by itself. So new sequences are
 * asked in each of which that is another one, until one of them is as far from the others as what was found.
 */
async function isRounding(
  reference: Reference,
  tokens: Int32Array,
  scored: number,
  found: Thought,
  expected: Thought,
): Promise<boolean> {
  const noise = farthest(expected, await reference.fresh(tokens, scored, [1]))
  if (noise > bound / 100 && disagreement(found, expected, bound + 30 * Math.min(noise, bound)) === undefined)
    return true
  const step = Math.max(1, Math.floor(tokens.length / maxCuts))
  for (let at = tokens.length - scored - 1; at > 0; at -= step) {
    if (disagreement(found, await reference.fresh(tokens, scored, [at, 1, maxTokens]), bound) === undefined) return true
  }
  return false
}

/** The tokens that a new sequence is given, to have the same in its cache; undefined: it would not. */
function comparable(
  world: World,
  chat: LiveChat['chat'],
  kept: Int32Array,
  hadOtherSystem: boolean,
): Int32Array | undefined {
  const { policy, window, sinks, reanchorEvery } = chat.limits
  const { memory } = world.model
  if (kept.length === 0 || kept.length > maxTokens) return undefined
  if (policy === 'recompute') return kept.subarray(-(window + 1))
  // Of a prompt that was left, more may wait than there is room for.
  if (kept.length > sinks + window + (policy === 'dense' ? 0 : 1)) return undefined
  const inPlace =
    hadOtherSystem && policy === 'streaming' && (memory.kind === 'attention' || memory.kind === 'sliding window')
  const whole = chat.conversation.runner.counts.evictedTokens === 0 && !inPlace
  if (whole || policy === 'refill') return kept
  // What one layer keeps of a token has seen no other token; and positions must be without a gap.
  const alone = world.setup.layers === 1 && (memory.kind === 'attention' || memory.kind === 'sliding window')
  return alone && (sinks === 0 || reanchorEvery === 1) ? kept : undefined
}

function endsWith(tokens: Int32Array, end: readonly number[]): boolean {
  return tokens.length > end.length && end.every((token, i) => tokens[tokens.length - end.length + i] === token)
}
