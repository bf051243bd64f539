import { median } from '../../report/statistics.js'
import { type BenchCase, type BenchContext, reasonOf } from '../case.js'
import { TokenProcess } from '../contender-process.js'
import { contenderTitles } from '../contenders.js'
import { importTimes } from '../import-times.js'
import { nodeLlamaCppSize, ourSize } from '../install-size.js'
import { runTask } from '../run-task.js'
import type { Start, StartTask } from '../tasks/start.js'

const cache = 1_024
const contenders = ['ours', 'node-llama-cpp'] as const

export const start: BenchCase = {
  id: 'start',
  title: 'Start, memory and size',
  about:
    "Import: processes that import the package as it is published, less processes that do nothing, turn about. Load and first token: in a new process each time, from an imported library to a loaded model and from there to the first token after a prompt of 32 tokens, the file in the system's cache; " +
    "ours makes the context at the first token and node-llama-cpp with the model, so compare the sums. Memory: the resident set of a process with the model and a full cache of 1,024 tokens, the file's mapped pages included. " +
    'Size: what the package and the dependencies it brings take on disk here.',
  minutes: { quick: 0.8, full: 2 },
  bars: [
    { id: 'load', what: 'node-llama-cpp / ours, load and first token' },
    { id: 'import', what: 'import of the package (ms)' },
    { id: 'memory', what: 'node-llama-cpp / ours, resident memory at a full cache' },
    { id: 'size', what: 'node-llama-cpp / ours, installed size' },
  ],
  run: async context => {
    const missing: { what: string; reason: string }[] = []
    const attempt = async <Result>(what: string, work: () => Promise<Result>): Promise<Result | undefined> => {
      context.signal.throwIfAborted()
      context.say(`start: ${what}`)
      try {
        return await work()
      } catch (error) {
        context.signal.throwIfAborted()
        missing.push({ what, reason: reasonOf(error) })
        return undefined
      }
    }
    const ours = {
      start: await attempt('load of ours', () => starts(context, 'ourStart')),
      memory: await attempt('memory of ours', () => memoryOf(context, 'ours')),
      size: await attempt('size of ours', ourSize),
    }
    const node = {
      start: await attempt('load of node-llama-cpp', () => starts(context, 'nodeLlamaCppStart')),
      memory: await attempt('memory of node-llama-cpp', () => memoryOf(context, 'node-llama-cpp')),
      size: await attempt('size of node-llama-cpp', nodeLlamaCppSize),
    }
    const imports = await attempt('import', () => importTimes(context.quick ? 5 : 20, context.signal))
    const quotient = (a: number | undefined, b: number | undefined) =>
      a === undefined || b === undefined ? { missing: missing[0]?.reason ?? 'not measured' } : a / b
    const both = (value: Start | undefined) => value && value.loadMs + value.firstTokenMs
    const text = (value: number | undefined) => value ?? '-'
    const rows = (
      [
        ['ours', ours, imports?.ours],
        ['node-llama-cpp', node, imports?.nodeLlamaCpp],
      ] as const
    ).map(([name, { start: each, memory, size }, importMs]) => ({
      name: contenderTitles[name],
      importMs,
      load: each?.loadMs,
      first: each?.firstTokenMs,
      both: both(each),
      memory,
      size,
    }))
    const [mine] = rows
    const ratio = (value: number | undefined, of: number | undefined) =>
      value === undefined || of === undefined ? '-' : value / of
    return {
      measurements: {
        load: quotient(both(node.start), both(ours.start)),
        import: imports?.ours ?? { missing: missing.at(-1)?.reason ?? 'not measured' },
        memory: quotient(node.memory, ours.memory),
        size: quotient(node.size, ours.size),
      },
      tables: [
        {
          id: 'start-ratios',
          title: 'As many times as ours',
          columns: ['', 'import', 'load and first token', 'resident memory', 'installed size'],
          digits: [undefined, 2, 2, 2, 2],
          rows: rows.map(row => [
            row.name,
            ratio(row.importMs, mine!.importMs),
            ratio(row.both, mine!.both),
            ratio(row.memory, mine!.memory),
            ratio(row.size, mine!.size),
          ]),
        },
        {
          id: 'start',
          title: 'Start, memory and size',
          columns: [
            '',
            'import (ms)',
            'load (ms)',
            'first token (ms)',
            'load and first token (ms)',
            'resident memory (MB)',
            'installed (MB)',
          ],
          digits: [undefined, 0, 0, 0, 0, 0, 1],
          rows: rows.map(row => [
            row.name,
            text(row.importMs),
            text(row.load),
            text(row.first),
            text(row.both),
            text(row.memory && row.memory / 1e6),
            text(row.size && row.size / 1e6),
          ]),
        },
      ],
      plots: [],
      notes: [
        'node-llama-cpp is installed without the packages of other machines and of GPUs, which a plain `npm install` of it would bring; ours with what npm brings on this machine.',
      ],
      missing,
      data: { ours, node, imports },
    }
  },
}

/** Medians over some new processes, after one that brings the file into the system's cache. */
async function starts(
  { models: { f16 }, threads, signal, quick }: BenchContext,
  call: 'ourStart' | 'nodeLlamaCppStart',
): Promise<Start> {
  const task: StartTask = { path: await f16.path(), threads, cache, tokens: await f16.tokens(32) }
  const measured: Start[] = []
  for (let i = -1; i < (quick ? 3 : 7); i++) {
    const each = await runTask<StartTask, Start>('start', call, task, signal)
    if (i >= 0) measured.push(each)
  }
  return {
    loadMs: median(measured.map(({ loadMs }) => loadMs)),
    firstTokenMs: median(measured.map(({ firstTokenMs }) => firstTokenMs)),
  }
}

async function memoryOf(
  { models: { f16 }, threads, signal }: BenchContext,
  name: (typeof contenders)[number],
): Promise<number> {
  const contender = new TokenProcess(name, signal)
  try {
    await contender.start({ model: await f16.path(), cache, sinks: 4, threads, fill: await f16.tokens(cache + 256) })
    await contender.generate(8)
    return await contender.memory()
  } finally {
    await contender.close()
  }
}
