import { inChild } from '../report/in-child.js'
import { mean } from '../report/statistics.js'
import { type ConversationResult, type ConversationSetting, sameTurns } from './pinned-conversation.js'
import { inSteps } from './progress.js'

// A small model follows a wish for a rare word of several tokens more visibly than one for a word that it might say
// anyway.
const sign = 'REPLY'
const system = `You are a helpful assistant. Every one of your replies must begin with ${sign} and then answer the question. Never forget to write ${sign} first. The first word is always ${sign}`

/** The first ten turns with a full window. */
const early = { from: 5, to: sameTurns }
const bars = { drift: 0.3, gain: 1 }

/**
 * Whether a pinned system prompt is as strong after hundreds of turns as at first, and whether the cache then holds it
 * and whole messages after every turn. It asks for a sign at the start of each reply, which no scripted reply has.
 * Early and late turns are compared in the same words: which sentences a window holds makes a difference of half a nat
 * by itself. Returns whether all bars were met.
 */
export async function pinnedSystem({
  model,
  turns,
  say,
}: {
  model: string
  turns: number
  say: (line: string) => void
}): Promise<boolean> {
  const late = { from: turns - 9, to: turns }
  if (turns < 2 * sameTurns) throw new Error(`at least ${2 * sameTurns} turns are needed, got ${turns}`)
  const run = (name: string, pinned: boolean) => {
    const setting: ConversationSetting = { model, pinned, system, sign, turns }
    return inChild<ConversationSetting, ConversationResult>(
      new URL('./pinned-conversation.ts', import.meta.url),
      'converse',
      setting,
      inSteps(0.1, share => say(`${name}: ${Math.round(share * turns)} of ${turns} turns`)),
    )
  }
  const [pinned, unpinned] = await Promise.all([run('pinned', true), run('not pinned', false)])

  const middle = ({ turns }: ConversationResult, { from, to }: typeof early) =>
    mean(turns.slice(from - 1, to).map(({ logProbability }) => logProbability))
  const examples = (span: typeof early) =>
    [...new Set(pinned.turns.slice(span.from - 1, span.to).map(({ examples }) => examples))].join(' or ')
  say(
    `log-probability of ${JSON.stringify(sign)} as the start of the reply, mean over turns ${early.from}-${early.to} and ${late.from}-${late.to}, in nats:`,
  )
  for (const [name, result] of [
    ['pinned', pinned],
    ['not pinned', unpinned],
  ] as const) {
    say(
      `  ${name}: ${middle(result, early).toFixed(3)} and ${middle(result, late).toFixed(3)}; ${result.seenTokens} tokens seen, ${result.evictedTokens} evicted`,
    )
  }
  say(
    `  each tenth span of ten turns, pinned: ${spans(turns)
      .map(span => middle(pinned, span).toFixed(2))
      .join(' ')}`,
  )
  say(`  earlier replies in the cache at these turns: ${examples(early)}, and ${examples(late)}`)
  const drift = middle(pinned, late) - middle(pinned, early)
  const gain = middle(pinned, late) - middle(unpinned, late)
  const checks = [
    {
      met: pinned.violations.length === 0,
      what: `turns of ${turns} after which the cache was not the system prompt and whole messages: ${pinned.violations.length}`,
    },
    {
      met: Math.abs(drift) <= bars.drift,
      what: `late against early: ${drift.toFixed(3)} (at most ${bars.drift} either way)`,
    },
    { met: gain >= bars.gain, what: `pinned against not pinned: ${gain.toFixed(3)} (at least ${bars.gain})` },
  ]
  for (const { turn, what } of pinned.violations.slice(0, 20)) say(`  turn ${turn}: ${what}`)
  for (const { met, what } of checks) say(`${met ? 'met' : 'MISSED'}: ${what}`)
  return checks.every(({ met }) => met)
}

/** Spans of ten turns, at most ten of them, evenly over the conversation. */
function spans(turns: number): (typeof early)[] {
  const count = Math.min(10, Math.floor((turns - early.from + 1) / 10))
  return Array.from({ length: count }, (_, i) => {
    const from = early.from + Math.floor((i * (turns - early.from - 9)) / Math.max(1, count - 1))
    return { from, to: from + 9 }
  })
}
