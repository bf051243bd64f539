import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { typescript } from '../tools/child-program.js'
import { readGguf, writeGguf } from '../tools/gguf-file.js'
import { type TinyKind, tinyModelBytes } from '../tools/tiny-models.js'

const child = fileURLToPath(new URL('../tools/damaged-child.mts', import.meta.url))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'damaged-models-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** A tiny model with a whole number in place of another, or numbers in place of an array's. */
function changed(kind: TinyKind, key: string, value: number | number[]): Buffer {
  const file = readGguf(
    tinyModelBytes(kind, { layers: kind === 'gemma3' ? 6 : 2, width: 64, heads: 2, contextLength: 256 }),
  )
  file.entries = file.entries.map(entry =>
    entry.key !== key
      ? entry
      : Array.isArray(value)
        ? { ...entry, type: 9, elementType: 5, values: value }
        : { ...entry, value },
  )
  return writeGguf(file)
}

// The check refuses each. Without it, an assertion of llama.cpp's while it loads or plans costs the model alone.
const cases: [TinyKind, string, number | number[], string][] = [
  ['llama', 'llama.block_count', 513, 'MODEL_LOAD_FAILED'],
  ['smollm3', 'smollm3.rope.dimension_count', 2, 'MODEL_UNSUPPORTED'],
  ['mistral3', 'mistral3.rope.dimension_count', 16, 'MODEL_UNSUPPORTED'],
  ['qwen2', 'qwen2.rope.dimension_count', 16, 'MODEL_UNSUPPORTED'],
  ['deepseek2', 'deepseek2.rope.dimension_count', 48, 'MODEL_LOAD_FAILED'],
  ['jamba', 'jamba.ssm.inner_size', 64, 'MODEL_LOAD_FAILED'],
]

// Where exceptions may not pass through C, the check is all there is.
const whereTheyAreThrown = process.platform === 'win32' ? test.skip : test
whereTheyAreThrown(
  'files whose figures llama.cpp asserts on end no process, with the check of headers and without',
  () => {
    const files = cases.map(([kind, key, value], index) => {
      const file = path.join(folder, `${index}-${kind}.gguf`)
      writeFileSync(file, changed(kind, key, value))
      return file
    })
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...typescript, child, ...files], {
      encoding: 'utf8',
      timeout: 500_000,
      killSignal: 'SIGKILL',
    })
    expect({ status, signal, stderr }).toMatchObject({ status: 0, signal: null })
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line, index) => [cases[index]![1], ...(JSON.parse(line) as string[])]),
    ).toEqual(cases.map(([, key, , code]) => [key, 'GGUF_MALFORMED', code]))
  },
  180_000,
)

test('what only shows while a batch is computed is refused by the check of headers', () => {
  const cases: [TinyKind, string, number | number[]][] = [
    ['qwen2vl', 'qwen2vl.rope.dimension_sections', [4, 6, 6, 440]],
    ['qwen35', 'qwen35.rope.dimension_sections', [0, 0, 0, 16]],
    ['gptneox', 'gptneox.rope.dimension_count', 440],
    ['gptneox', 'gptneox.rope.dimension_count', 7],
    ['qwen35', 'qwen35.full_attention_interval', 0],
  ]
  const files = cases.map(([kind, key, value], index) => {
    const file = path.join(folder, `late-${index}.gguf`)
    writeFileSync(file, changed(kind, key, value))
    return file
  })
  const { status, stdout } = spawnSync(process.execPath, [...typescript, child, '--checked', ...files], {
    encoding: 'utf8',
    timeout: 500_000,
    killSignal: 'SIGKILL',
  })
  expect(status).toBe(0)
  expect(
    stdout
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as string[])[0]),
  ).toEqual(cases.map(() => 'GGUF_MALFORMED'))
}, 180_000)
