import { mkdir } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { Interrupted, onInterrupt } from '../../lib/cli/failure.js'
import { modelReference } from '../../lib/cli/open-model.js'
import { progressBar } from '../../lib/cli/progress-bar.js'
import { StreamingLLMError } from '../../lib/errors.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_SHA256 } from '../../lib/hub/default-model.js'
import { resolveModel } from '../../lib/hub/resolve-model.js'
import { defaultThreads } from '../../lib/options/parse.js'
import { type BenchCase, type BenchContext, reasonOf } from './case.js'
import { cases } from './cases.js'
import { busyCores, machineFacts } from './facts.js'
import { benchModels } from './models.js'
import { writeReport } from './report.js'
import { type CaseResult, earlierResults, writeResults } from './results.js'

/** What `npm run bench` takes. */
export interface BenchFlags {
  only?: string[]
  quick?: boolean
  model?: string
  threads?: number
  out: string
  scale: number
}

/** Measures the chosen cases, one after another, and writes results.json and report.md after each. */
export async function bench(flags: BenchFlags): Promise<void> {
  const chosen = choose(flags.only)
  const interrupt = onInterrupt()
  const { signal } = interrupt
  try {
    await makeFolder(flags.out)
    const quick = flags.quick ?? false
    const threads = flags.threads ?? defaultThreads()
    const downloaded = await findModel(flags, signal)
    const context: BenchContext = {
      quick,
      scale: flags.scale,
      threads,
      models: benchModels({ downloaded, signal, say }),
      signal,
      say,
    }
    const facts: [string, string][] = [
      ...machineFacts(),
      ['Threads', String(threads)],
      [
        'Run',
        `${quick ? 'quick: few tokens, so ratios are rough' : 'full'}${flags.scale === 1 ? '' : `, scaled by ${flags.scale}`}`,
      ],
      ['Model', context.models.downloaded.title],
    ]
    const results = await earlierResults(flags.out, facts)
    say(
      `${chosen.length} cases, about ${Math.ceil(chosen.reduce((sum, { minutes }) => sum + minutes[quick ? 'quick' : 'full'], 0))} minutes on 2 cores with the default model`,
    )
    let page = ''
    for (const each of chosen) {
      results.cases[each.id] = await measure(each, context, commandOf(each, flags))
      await writeResults(flags.out, results)
      page = await writeReport(flags.out, results, cases)
    }
    say(`The report is ${relative(process.cwd(), resolve(page))}`)
  } catch (error) {
    if (signal.aborted) throw new Interrupted()
    throw error
  } finally {
    interrupt.release()
  }
}

async function measure(each: BenchCase, context: BenchContext, command: string): Promise<CaseResult> {
  context.say(each.title)
  const busy = await busyCores()
  const began = performance.now()
  const common = { command, date: new Date().toISOString(), busyCores: busy }
  const seconds = () => (performance.now() - began) / 1_000
  try {
    const outcome = await each.run(context)
    return { ...common, seconds: seconds(), outcome }
  } catch (error) {
    context.signal.throwIfAborted()
    context.say(`${each.id} failed: ${reasonOf(error)}`)
    return { ...common, seconds: seconds(), failure: reasonOf(error) }
  }
}

function choose(only: string[] | undefined): BenchCase[] {
  const unknown = only?.find(id => !cases.some(each => each.id === id))
  if (unknown !== undefined)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `--only: there is no case ${unknown}; there are ${cases.map(({ id }) => id).join(', ')}`,
    )
  return cases.filter(({ id }) => only?.includes(id) ?? true)
}

async function makeFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true })
  } catch (cause) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `--out: ${out} cannot be the report's folder: ${(cause as Error).message}`,
      { cause },
    )
  }
}

async function findModel(flags: BenchFlags, signal: AbortSignal): Promise<string> {
  const reference = modelReference(flags)
  const bar = progressBar()
  try {
    return await resolveModel(reference, {
      signal,
      onProgress: bar.show,
      sha256: reference === DEFAULT_MODEL ? DEFAULT_MODEL_SHA256 : undefined,
    })
  } finally {
    bar.end()
  }
}

function commandOf({ id }: BenchCase, { quick, model, threads, scale }: BenchFlags): string {
  return [
    `npm run bench -- --only ${id}`,
    ...(quick ? ['--quick'] : []),
    ...(model === undefined ? [] : [`--model ${model}`]),
    ...(threads === undefined ? [] : [`--threads ${threads}`]),
    ...(scale === 1 ? [] : [`--scale ${scale}`]),
  ].join(' ')
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
