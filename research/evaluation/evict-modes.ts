import { inChild } from '../report/in-child.js'
import { mean } from '../report/statistics.js'
import { type Table, tableMarkdown } from '../report/table.js'
import { evictModes, type GeneratedResult, type GeneratedSetting } from './generated-conversations.js'
import { inSteps } from './progress.js'
import type { ScriptedResult, ScriptedSetting } from './scripted-scores.js'

export interface EvictModesOptions {
  model: string
  windows: number[]
  turns: number
  seeds: number
  maxTokens: number
  say: (line: string) => void
}

/**
 * Compares what conversations are like that lose their oldest tokens one by one, and ones that lose whole turns. Prints
 * tables.
 */
export async function compareEvictModes({
  model,
  windows,
  turns,
  seeds,
  maxTokens,
  say,
}: EvictModesOptions): Promise<void> {
  const tasks: (() => Promise<string>)[] = []
  for (const window of windows) {
    tasks.push(async () => {
      const title = `4 + ${window} tokens, the same words in both`
      const scripted: ScriptedSetting = { model, window, turns: Math.min(turns, 100) }
      const result = await inChild<ScriptedSetting, ScriptedResult>(
        new URL('./scripted-scores.ts', import.meta.url),
        'score',
        scripted,
        inSteps(0.25, share => say(`${title}: ${Math.round(share * 100)} %`)),
      )
      return tableMarkdown(scriptedTable(title, result))
    })
    for (const temperature of [0.7, 0]) {
      const setting: GeneratedSetting = {
        model,
        window,
        temperature,
        seeds: Array.from({ length: seeds }, (_, i) => i + 1),
        turns,
        maxTokens,
      }
      tasks.push(async () => {
        const title = `4 + ${window} tokens, ${temperature === 0 ? 'greedy' : `temperature ${temperature}`}, ${seeds} conversations of ${turns} turns`
        const results = await inChild<GeneratedSetting, GeneratedResult[]>(
          new URL('./generated-conversations.ts', import.meta.url),
          'generate',
          setting,
          inSteps(0.25, share => say(`${title}: ${Math.round(share * 100)} %`)),
        )
        return tableMarkdown(generatedTable(title, results))
      })
    }
  }
  await twoAtATime(tasks, say)
}

const measures: [keyof GeneratedResult, string, number][] = [
  ['loops', 'replies with a loop, %', 100],
  ['copies', 'replies that came before, %', 100],
  ['distinctPairs', 'distinct pairs of words, %', 100],
  ['compression', 'compression of all replies', 1],
  ['controls', 'replies with control text, %', 100],
  ['asUser', 'replies that speak as the user, %', 100],
  ['empty', 'empty replies, %', 100],
  ['endless', 'replies not ended at the limit, %', 100],
  ['heldOut', 'scripted continuation, nats a token', 1],
  ['replyTokens', 'tokens a reply', 1],
  ['cachedTokens', 'tokens in the cache after a reply', 1],
]

function generatedTable(title: string, results: GeneratedResult[]): Table {
  const of = (evict: string, measure: keyof GeneratedResult, factor: number) =>
    results.filter(result => result.evict === evict).map(result => Number(result[measure]) * factor)
  return {
    id: 'generated',
    title,
    columns: ['mean over conversations, and standard deviation', ...evictModes, 'difference, and its standard error'],
    rows: measures.map(([measure, name, factor]) => {
      const [token, turn] = evictModes.map(evict => of(evict, measure, factor)) as [number[], number[]]
      return [name, withSpread(token, deviation(token)), withSpread(turn, deviation(turn)), difference(token, turn)]
    }),
  }
}

function scriptedTable(title: string, { turns, facts }: ScriptedResult): Table {
  const row = (name: string, token: number[], turn: number[]) => [
    `${name} (${token.length})`,
    mean(token).toFixed(3),
    mean(turn).toFixed(3),
    difference(token, turn, 3),
  ]
  return {
    id: 'scripted',
    title,
    columns: ['nats a token, mean', ...evictModes, 'difference, and its standard error'],
    rows: [
      row('replies, once something has left', turns.token, turns.turn),
      ...Object.keys(facts.token).map(kind => row(`a name told ${kind}`, facts.token[kind]!, facts.turn[kind]!)),
    ],
  }
}

function withSpread(values: number[], spread: number, digits = 2): string {
  return `${mean(values).toFixed(digits)} ± ${spread.toFixed(digits)}`
}

/** Of pairs: the same questions, the same words. */
function difference(one: number[], other: number[], digits = 2): string {
  const differences = other.map((value, i) => value - one[i]!)
  return withSpread(differences, deviation(differences) / Math.sqrt(differences.length), digits)
}

function deviation(values: number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / Math.max(1, values.length - 1))
}

/**
 * Each task computes with one thread. Tables are printed as they come, so that an interruption does not cost all of
 * them.
 */
async function twoAtATime(tasks: readonly (() => Promise<string>)[], say: (line: string) => void): Promise<void> {
  const waiting = [...tasks]
  const work = async () => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) say(await task())
  }
  await Promise.all([work(), work()])
}
