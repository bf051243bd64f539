import { cpus } from 'node:os'
import path from 'node:path'
import { loadModel, type Sequence, StreamingLLMError } from '../../lib/index.js'
import type { Plot } from '../../research/report/plot.js'
import { tinyModel } from '../../test/tools/tiny-models.js'
import { SeededRandom } from '../../test/tools/tiny-random.js'
import { Chats } from './chats.js'
import { engineClock, type Holdings, holdings } from './readings.js'
import { draw, megabytes, Rows, rounded } from './rows.js'

export interface HoursOptions {
  hours: number
  /** A GGUF file with a chat template. Default: a tiny model with random weights. */
  model?: string
  seed: number
  /** Seconds from row to row. */
  every: number
  out: string
  say: (line: string) => void
  signal: AbortSignal
}

export interface HourRow extends Holdings {
  hours: number
  operations: number
  chats: number
  /** Of the stream that never ends. */
  tokens: number
  wallMs?: number
  /** Of the engine's thread, which works for the chats as well. */
  engineMs?: number
}

// So many operations to a model; then it is closed, in the midst of its stream, and loaded again.
const operationsOfModel = 2_000
// Milliseconds. A second model has less to do, so its weights go and come.
const unloadAfter = 100

/**
 * Chats to which random things are done, beside a stream that never ends, in one process for hours.
 * @returns whether the memory and the descriptors at the end are those of the first quarter
 */
export async function hours({
  hours: wanted,
  model: file = tinyModel('llama'),
  seed,
  every,
  out,
  say,
  signal,
}: HoursOptions): Promise<boolean> {
  const random = new SeededRandom(seed)
  const rows = new Rows<HourRow>(path.join(out, 'hours.jsonl'), {
    what: 'random operations on chats beside a stream without end',
    model: path.basename(file),
    seed,
    processor: cpus()[0]?.model,
    node: process.version,
    date: new Date().toISOString(),
  })
  const began = performance.now()
  const engineTime = engineClock()
  let operations = 0
  let tokens = 0
  let before = { at: began, tokens: 0 }
  const counts: Record<string, number> = {}
  const elapsed = () => (performance.now() - began) / 3_600_000
  const isOver = () => signal.aborted || elapsed() >= wanted
  while (!isOver()) {
    const model = await loadModel(file, { gpu: false, threads: 1, maxSequences: 4, whenFull: 'wait' })
    const sleeper = await loadModel(file, { gpu: false, threads: 1, unloadAfter })
    const asleep = sleeper.createChat({ window: 120 })
    const chats = await Chats.begin(model, random)
    const endless = readForEver(
      model.createSequence({ window: 200 }),
      count => {
        tokens += count
      },
      random.integer(1_000),
    )
    try {
      for (let i = 0; i < operationsOfModel && !isOver(); i++) {
        await chats.step()
        operations++
        if (random.integer(50) === 0) {
          counts[sleeper.loaded ? 'awake' : 'woken'] = (counts[sleeper.loaded ? 'awake' : 'woken'] ?? 0) + 1
          await asleep.ask('And now?', { maxTokens: 3 })
        }
        const now = performance.now()
        if (now - before.at < every * 1_000) continue
        const engine = engineTime()
        const added = tokens - before.tokens
        rows.add({
          hours: rounded(elapsed()),
          operations,
          chats: chats.open,
          tokens,
          ...holdings(),
          ...(added === 0
            ? {}
            : {
                wallMs: rounded((now - before.at) / added),
                ...(engine === undefined ? {} : { engineMs: rounded(engine / added) }),
              }),
        })
        say(line(rows.rows.at(-1)!))
        before = { at: performance.now(), tokens }
      }
    } finally {
      for (const [name, count] of Object.entries(chats.counts)) counts[name] = (counts[name] ?? 0) + count
      await chats.end()
      await sleeper.close()
      await model.close()
    }
    await endless
  }
  say(
    Object.entries(counts)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  )
  await draw(out, plots(rows.rows, `${path.basename(file)}, seed ${seed}`))
  return verdict(rows.rows, say)
}

/** Until the model is closed. */
async function readForEver(sequence: Sequence, onTokens: (count: number) => void, seed: number): Promise<void> {
  try {
    await sequence.append([5])
    for (;;) {
      for await (const event of sequence.generate({ maxTokens: 1_000, temperature: 1, seed })) {
        if (event.type === 'finish') onTokens(event.usage.completionTokens)
      }
      await sequence.append([5]) // where the model has ended its text, it goes on
    }
  } catch (error) {
    if (!StreamingLLMError.isInstance(error) || error.code !== 'CLOSED') throw error
  }
}

function line({ hours: at, operations, tokens, wallMs, rss, heap, descriptors, threads }: HourRow): string {
  return `${at.toFixed(2)} h: ${operations} operations, ${tokens} tokens of the stream (${wallMs?.toFixed(2)} ms each), ${megabytes(rss).toFixed(1)} MB resident, heap ${megabytes(heap).toFixed(1)} MB, ${descriptors} descriptors, ${threads} threads`
}

/** What is held is compared with the first quarter; the quarter's first rows warm up. */
export function verdict(rows: HourRow[], say: (line: string) => void): boolean {
  if (rows.length < 16) {
    say('A verdict takes at least 16 rows.')
    return true
  }
  const quarter = rows.length >> 2
  const early = rows.slice(quarter >> 1, quarter)
  const late = rows.slice(-(quarter >> 1))
  let holds = true
  for (const { name, within } of [
    { name: 'rss', within: 1.1 },
    { name: 'heap', within: 1.1 },
    { name: 'descriptors', within: 1 },
    { name: 'threads', within: 1 },
  ] as const) {
    const [then, now] = [early, late].map(part => Math.max(...part.map(row => row[name] ?? 0))) as [number, number]
    const isWithin = now <= then * within
    say(`${name}: at most ${then} early, ${now} late${isWithin ? '' : ': it has GROWN'}`)
    holds &&= isWithin
  }
  return holds
}

function plots(rows: HourRow[], subtitle: string): Plot[] {
  const x = { title: 'Hours' }
  const points = (y: (row: HourRow) => number | undefined) =>
    rows.flatMap(row => (y(row) === undefined ? [] : [{ x: row.hours, y: y(row)! }]))
  return [
    {
      id: 'hours-memory',
      title: 'Memory',
      subtitle,
      x,
      y: { title: 'Megabytes' },
      legend: 'Memory',
      series: [
        { name: 'resident', points: points(row => megabytes(row.rss)) },
        { name: 'heap of JavaScript', points: points(row => megabytes(row.heap)) },
        { name: 'external', points: points(row => megabytes(row.external)) },
      ],
    },
    {
      id: 'hours-things',
      title: 'What is open',
      subtitle,
      x,
      y: { title: 'Number' },
      legend: 'Of',
      series: [
        { name: 'descriptors', points: points(row => row.descriptors) },
        { name: 'threads', points: points(row => row.threads) },
        { name: 'chats', points: points(row => row.chats) },
      ],
    },
    {
      id: 'hours-time',
      title: 'Time per token of the stream beside the chats',
      subtitle,
      x,
      y: { title: 'Milliseconds a token' },
      legend: 'Clock',
      series: [
        { name: 'on the wall', points: points(row => row.wallMs) },
        { name: 'of the engine’s thread, chats included', points: points(row => row.engineMs) },
      ],
    },
  ]
}
