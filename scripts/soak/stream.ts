import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { loadModel, type Model, type Sequence } from '../../lib/index.js'
import { sentences } from '../../research/bench/text.js'
import { mobyDick } from '../../research/paper/pinned-files.js'
import { findFile } from '../../research/paper/sources.js'
import type { Plot } from '../../research/report/plot.js'
import { engineClock, type Holdings, holdings } from './readings.js'
import { draw, megabytes, Rows, rounded } from './rows.js'

export interface StreamOptions {
  model: string
  tokens: number
  sinks: number
  window: number
  /** A file with the text that is read. Default: Moby-Dick, which is fetched. */
  text?: string
  out: string
  say: (line: string) => void
}

/** One span of the text. */
export interface StreamRow extends Holdings {
  /** Tokens read so far, those of the probe apart. */
  tokens: number
  /** Milliseconds a token in this span, by the clock on the wall and by that of the engine's thread. */
  wallMs: number
  engineMs?: number
  /** The latter as a share of what a young sequence takes, which reads beside it, in turns. */
  beside?: number
  /** Resident memory that V8 has not taken for the heap of JavaScript. */
  outside: number
  /** Of the span's tokens. A text that has ended begins again. */
  perplexity: number
  /** Of the end of the probe text, read after the span by the same sequence; once in ten rows. */
  probe?: number
}

const span = 10_000
const spansPerProbe = 10
const reanchorEvery = 64
/** Tokens that a young sequence reads after each span, once its window is full. */
const youngTokens = 2_000

/**
 * One sequence reads a text without end, a token at a time, as in generation. After each 100,000 tokens it reads the
 * probe, always the same, of which only the last two windows count. Each layer reaches a window further back than the
 * one below it; so the probe before them has as many windows as the model has layers, and one for the cache itself:
 * then nothing but the sinks is left of the text. What differs from one time to the next is how far the sinks lag
 * behind by then, which comes again once rebases have come round, and what the stream has done to the cache.
 *
 * @returns whether time per token, memory and the probe's perplexity at the end are those of the beginning
 */
export async function stream({
  model: file,
  tokens: total,
  sinks,
  window,
  text: textFile,
  out,
  say,
}: StreamOptions): Promise<boolean> {
  const text = textFile === undefined ? await mobyDickText() : readFileSync(textFile, 'utf8')
  await using model = await loadModel(file, { gpu: false, threads: 1 })
  const body = model.tokenize(text)
  await using sequence = model.createSequence({ sinks, window, reanchorEvery })
  const probeTokens = (model.info.layers + 3) * window
  // Plain English, which the smallest models read well. A sentence has at least one token.
  const probe = model.tokenize(sentences(probeTokens)).slice(0, probeTokens)
  const rows = new Rows<StreamRow>(path.join(out, 'stream.jsonl'), {
    what: 'one sequence reads a text without end',
    model: path.basename(file),
    modelSha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
    sinks,
    window,
    reanchorEvery,
    tokens: total,
    text: textFile === undefined ? mobyDick.file : path.basename(textFile),
    textTokens: body.length,
    probeTokens: probe.length,
    processor: cpus()[0]?.model,
    node: process.version,
    date: new Date().toISOString(),
  })
  // In a cache of its own: cells of others would be computed with.
  await using beside = await loadModel(file, { gpu: false, threads: 1, maxSequences: 1 })
  await sequence.append(body.slice(0, 1))
  const engineTime = engineClock()
  let at = 1
  for (let read = 0; read < total; read += span) {
    const began = performance.now()
    engineTime()
    const scores = await sequence.score(Int32Array.from({ length: span }, (_, i) => body[(at + i) % body.length]!))
    const wallMs = rounded((performance.now() - began) / span)
    const engine = engineTime()
    at += span
    const young = await youngTime(beside, body, { sinks, window })
    const last = (rows.rows.length + 1) % spansPerProbe === 0
    const held = holdings()
    rows.add({
      tokens: read + span,
      wallMs,
      ...(engine === undefined ? {} : { engineMs: rounded(engine / span) }),
      ...(engine === undefined || young === undefined ? {} : { beside: rounded(engine / span / young) }),
      perplexity: rounded(perplexity(scores)),
      ...held,
      outside: held.rss - held.heapTaken,
      ...(last ? { probe: rounded(await probePerplexity(sequence, probe, probe.length - 2 * window), 8) } : {}),
    })
    if (last) say(line(rows.rows.slice(-spansPerProbe)))
  }
  await draw(out, plots(rows.rows, `${path.basename(file)}, ${sinks} + ${window} tokens in the cache`))
  return verdict(rows.rows, say)
}

async function mobyDickText(): Promise<string> {
  const { bytes, start } = await findFile(mobyDick)
  return bytes.subarray(start).toString('utf8')
}

/** Milliseconds of the engine's thread for each token of a sequence that has just filled its window. */
async function youngTime(
  model: Model,
  body: Int32Array,
  sizes: { sinks: number; window: number },
): Promise<number | undefined> {
  await using sequence = model.createSequence({ ...sizes, reanchorEvery })
  const filled = sizes.sinks + sizes.window + reanchorEvery
  await sequence.append(body.slice(0, filled))
  const engineTime = engineClock()
  await sequence.score(body.slice(filled, filled + youngTokens))
  const spent = engineTime()
  return spent === undefined ? undefined : spent / youngTokens
}

async function probePerplexity(sequence: Sequence, probe: ArrayLike<number>, settled: number): Promise<number> {
  return perplexity((await sequence.score(probe)).slice(settled))
}

function perplexity(scores: Float32Array): number {
  return Math.exp(-scores.reduce((sum, score) => sum + score, 0) / scores.length)
}

function line(rows: StreamRow[]): string {
  const { tokens, rss, probe } = rows.at(-1)!
  return `${tokens.toLocaleString('en')} tokens: ${median(rows, 'wallMs').toFixed(4)} ms a token (the engine's thread ${median(rows, 'engineMs').toFixed(4)}), ${megabytes(rss).toFixed(2)} MB, perplexity of the probe ${probe?.toFixed(4)}`
}

type Judged = 'wallMs' | 'engineMs' | 'beside' | 'rss' | 'outside' | 'heap' | 'probe'

function median(rows: StreamRow[], name: Judged): number {
  const values = rows
    .map(row => row[name])
    .filter(value => value !== undefined)
    .sort((a, b) => a - b)
  return values.length === 0 ? NaN : (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2
}

/** The last 100,000 tokens beside the second 100,000. The first warm up: the cache fills, buffers reach their sizes. */
export function verdict(rows: StreamRow[], say: (line: string) => void): boolean {
  const early = rows.slice(spansPerProbe, 2 * spansPerProbe)
  const late = rows.slice(-spansPerProbe)
  if (rows.length < 3 * spansPerProbe) {
    say(`A verdict takes at least ${(3 * spansPerProbe * span).toLocaleString('en')} tokens.`)
    return true
  }
  const bounds = [
    { what: 'time per token beside a young sequence’s', name: 'beside', within: 3 },
    { what: 'memory outside the heap of JavaScript', name: 'outside', within: 1 },
    { what: 'the heap of JavaScript', name: 'heap', within: 1 },
    { what: 'perplexity of the probe', name: 'probe', within: 0.5 },
  ] as const
  for (const [clock, name] of [
    ['clock on the wall', 'wallMs'],
    ['engine’s thread', 'engineMs'],
  ] as const) {
    say(
      `time per token by the ${clock}: ${change(early, late, name).toFixed(2)} % (other programs of the machine change it, so it decides nothing)`,
    )
  }
  say(
    `resident memory: ${change(early, late, 'rss').toFixed(3)} % (with what V8 takes for its heap and does not use, so it decides nothing)`,
  )
  let holds = true
  for (const { what, name, within } of bounds) {
    const percent = change(early, late, name)
    if (Number.isNaN(percent)) continue
    const within_ = Math.abs(percent) <= within
    say(
      `${what}: ${percent.toFixed(3)} % from the second 100,000 tokens to the last; ${within_ ? 'within' : 'NOT within'} ${within} %`,
    )
    holds &&= within_
  }
  return holds
}

function change(early: StreamRow[], late: StreamRow[], name: Judged): number {
  return (median(late, name) / median(early, name) - 1) * 100
}

function plots(rows: StreamRow[], subtitle: string): Plot[] {
  const x = { title: 'Tokens read' }
  const points = (y: (row: StreamRow) => number | undefined) =>
    rows.flatMap(row => (y(row) === undefined ? [] : [{ x: row.tokens, y: y(row)! }]))
  return [
    {
      id: 'stream-perplexity',
      title: 'Perplexity of a text without end',
      subtitle,
      x,
      y: { title: 'Perplexity (lower is better)' },
      legend: 'Of',
      series: [
        { name: 'each 10,000 tokens of the text', points: points(row => row.perplexity) },
        { name: 'the probe, always the same', points: points(row => row.probe), dashed: true },
      ],
    },
    {
      id: 'stream-time',
      title: 'Time per token',
      subtitle,
      x,
      y: { title: 'Milliseconds a token' },
      legend: 'Clock',
      series: [
        { name: 'of the engine’s thread', points: points(row => row.engineMs) },
        { name: 'on the wall', points: points(row => row.wallMs), dashed: true },
      ],
    },
    {
      id: 'stream-beside',
      title: 'Time per token, as a share of a young sequence’s',
      subtitle,
      x,
      y: { title: 'Old / young' },
      legend: 'Time',
      series: [{ name: 'of the engine’s thread', points: points(row => row.beside) }],
    },
    {
      id: 'stream-memory',
      title: 'Memory',
      subtitle,
      x,
      y: { title: 'Megabytes' },
      legend: 'Memory',
      series: [
        { name: 'resident', points: points(row => megabytes(row.rss)) },
        { name: 'outside the heap of JavaScript', points: points(row => megabytes(row.outside)) },
        { name: 'heap of JavaScript', points: points(row => megabytes(row.heap)) },
      ],
    },
  ]
}
