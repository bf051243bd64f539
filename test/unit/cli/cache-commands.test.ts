import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { access, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandLine, type Ended } from '../../tools/command-line.js'
import { chatML, tinyModel } from '../../tools/tiny-models.js'
import { FakeHub, sha256 } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

const reference = 'hf:owner/repo/m.F32.gguf'

let hub: FakeHub
let home: string
let restore: () => Promise<void>

beforeEach(async () => {
  hub = await FakeHub.start()
  ;({ home, restore } = await tempHome(hub.endpoint))
  process.env['XDG_CACHE_HOME'] = join(home, 'cache')
  hub.files.set('m.F32.gguf', readFileSync(tinyModel('llama')))
})
afterEach(async () => {
  await hub.stop()
  await restore()
})

/**
 * `streaming-llm` with these arguments, whose stdin is no terminal. `during` gets the process whenever the storage is
 * asked.
 */
async function run(
  args: string[],
  { during, read = true }: { during?: (child: ChildProcess) => void; read?: boolean } = {},
): Promise<Ended> {
  let watching: NodeJS.Timeout | undefined
  const ended = await commandLine(args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    begun: child => {
      if (!read) child.stdout!.destroy()
      watching = setInterval(() => {
        if (hub.downloads > 0) during?.(child)
      }, 20)
    },
  })
  clearInterval(watching)
  return ended
}
const json = (text: string) => JSON.parse(text) as Record<string, never>

test('pull: the path on stdout and nothing else; again, nothing is downloaded', async () => {
  const { code, stdout, stderr } = await run(['pull', reference])
  expect(code).toBe(0)
  expect(readFileSync(stdout.trimEnd()).equals(hub.files.get('m.F32.gguf')!)).toBe(true)
  expect(stderr).toMatch(/^Downloading m\.F32\.gguf \(\d+\.\d MB\)\n$/)
  const again = json((await run(['pull', reference, '--verify', '--json'])).stdout)
  expect(again).toEqual({
    reference,
    path: stdout.trimEnd(),
    sizeBytes: hub.files.get('m.F32.gguf')!.length,
    downloadedBytes: 0,
    parts: [
      {
        path: stdout.trimEnd(),
        sizeBytes: hub.files.get('m.F32.gguf')!.length,
        sha256: sha256(hub.files.get('m.F32.gguf')!),
      },
    ],
  })
  expect(hub.downloads).toBe(1)
})

const unlessWindows = process.platform === 'win32' ? test.skip : test
unlessWindows('pull: Ctrl-C ends with 130, and the next one goes on where it was', async () => {
  hub.files.set('m.F32.gguf', Buffer.concat([readFileSync(tinyModel('llama')), Buffer.alloc(5_000_000)]))
  hub.pace = 30
  let sent = 0
  const broken = await run(['pull', reference], {
    during: child => {
      if (sent++ === 10) child.kill('SIGINT')
    },
  })
  expect(broken).toMatchObject({ code: 130, stdout: '' })
  expect(broken.stderr).toContain('Interrupted')
  hub.pace = 0
  const { code, stdout } = await run(['pull', reference, '--json'])
  expect(code).toBe(0)
  const { sizeBytes, downloadedBytes } = json(stdout) as unknown as { sizeBytes: number; downloadedBytes: number }
  expect(downloadedBytes).toBeGreaterThan(0)
  expect(downloadedBytes).toBeLessThan(sizeBytes)
  expect(hub.storageHits.at(-1)!.range).toMatch(/^bytes=[1-9]/)
})

test('pull: a file that was spoilt is found by --verify', async () => {
  const { stdout } = await run(['pull', reference])
  const spoilt = Buffer.from(hub.files.get('m.F32.gguf')!)
  spoilt[spoilt.length - 5]! ^= 1
  await writeFile(stdout.trimEnd(), spoilt)
  expect((await run(['pull', reference])).code).toBe(0)
  const { code, stderr } = await run(['pull', reference, '--verify'])
  expect(code).toBe(1)
  expect(stderr).toContain('models remove')
})

test.each([
  [['pull', './m.gguf'], 'is a path'],
  [['pull', 'hf:owner/repo/o.gguf'], 'no such file'],
  [['pull', reference, '--sha256', '0'.repeat(64)], 'was expected'],
  [['pull'], "missing required argument 'reference'"],
  [['inspect', '/no/such.gguf'], 'There is no file'],
  [['inspect', reference, '--window', '100000'], 'trained on'],
  [['inspect', reference, '--chats', 'x'], 'It must be a number'],
  [['models', 'remove', reference, '--yes'], 'is not in the cache'],
  [['models', 'remove'], 'name a model, or give --unfinished'],
  [['models', 'path', reference], 'is not in the cache'],
  [['models', 'list'], 'too many arguments'],
])('%j ends with 1, and stderr says why', async (args, words) => {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(words)
  expect(stderr).not.toMatch(/^ +at /m)
})

test('models: a table, JSON, the path, and removal that wants a yes', async () => {
  expect((await run(['models'])).stdout).toContain('No models are in')
  const path = (await run(['pull', reference])).stdout
  const table = (await run(['models'])).stdout
  expect(table).toMatch(
    /^NAME +TYPE +SIZE +LAST USED +REFERENCE\nm\.F32 +F32 +1\.\d MB +\d{4}-\d\d-\d\d +hf:owner\/repo\/m\.F32\.gguf\n$/,
  )
  expect(json((await run(['models', '--json'])).stdout)).toMatchObject({
    models: [{ name: 'm.F32', reference, path: path.trimEnd() }],
    unfinished: [],
  })
  expect((await run(['models', 'path', 'hf:owner/repo:F32'])).stdout).toBe(path)
  expect((await run(['models', 'path'])).stdout.trimEnd()).toBe(join(home, 'hub'))

  const refused = await run(['models', 'remove', reference])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(
    /Remove hf:owner\/repo\/m\.F32\.gguf \(1\.\d MB\)\? Nobody can be asked here: give --yes\./,
  )
  await access(path.trimEnd())
  const removed = await run(['models', 'remove', reference, '--yes'])
  expect(removed).toMatchObject({ code: 0, stdout: '' })
  expect(removed.stderr).toMatch(/^1\.\d MB came free\.\n$/)
  expect(await readdir(join(home, 'hub'))).toEqual(['.locks'])
})

test('inspect: of a model that is not in the cache only the header is fetched', async () => {
  hub.files.set('m.F32.gguf', Buffer.concat([readFileSync(tinyModel('llama')), Buffer.alloc(20_000_000)]))
  const { code, stdout, stderr } = await run([
    'inspect',
    reference,
    '--sinks',
    '4',
    '--window',
    '508',
    '--kv-type',
    'q8_0',
    '--chats',
    '2',
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /^tiny llama\nfile +hf:owner\/repo\/m\.F32\.gguf \(2\d\.\d MB, not downloaded\)\narchitecture +llama\n/,
  )
  for (const words of [
    '3, 128 wide',
    '4, of keys and values 2',
    'bos 1 "<s>"',
    'eos 2 "</s>"',
    'attention: its attention sees',
    'by default 4 sinks and a window of',
    'Chat template',
    'Memory for 2 chats of 4 + 508 tokens, q8_0',
    'It fits: ',
    'Only loading tells',
  ])
    expect(stdout).toContain(words)
  expect(hub.storageHits.map(({ range }) => range)).toEqual(['bytes=0-2097151'])
  expect(stdout).not.toContain('\x1b')
})

test('inspect: JSON with what the text has, metadata where they are asked for, and the template alone', async () => {
  const file = tinyModel('gemma3')
  const without = json((await run(['inspect', file, '--json', '--kv', 'f32'])).stdout)
  expect(without).toMatchObject({
    reference: file,
    path: file,
    isLocal: true,
    architecture: 'gemma3',
    quantization: 'F32',
    layers: 6,
    heads: 4,
    keyValueHeads: 2,
    width: 128,
    memory: { kind: 'sliding window' },
    policy: { eviction: 'evict', sinks: 4 },
    chatTemplate: chatML,
    estimate: { fits: true, devices: [{ device: 'cpu', layers: 7 }] },
  })
  expect(without).not.toHaveProperty('metadata')
  expect(json((await run(['inspect', file, '--json', '--metadata'])).stdout)['metadata']).toMatchObject({
    'gemma3.attention.sliding_window': 32,
  })
  expect((await run(['inspect', file, '--metadata'])).stdout).toContain('\ngemma3.attention.sliding_window = 32\n')
  expect((await run(['inspect', file, '--template'])).stdout).toBe(`${chatML}\n`)
  expect(await run(['inspect', tinyModel('gemma3', { chatTemplate: null }), '--template'])).toMatchObject({
    code: 1,
    stdout: '',
  })
})

unlessWindows('a reader that leaves, as head does, is no failure', async () => {
  expect(await run(['inspect', tinyModel('llama'), '--metadata'], { read: false })).toMatchObject({
    code: 0,
    stderr: '',
  })
})
