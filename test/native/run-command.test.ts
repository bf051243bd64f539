import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine, type Ended } from '../tools/command-line.js'
import { tinyModel } from '../tools/tiny-models.js'

const model = tinyModel('llama', { endBias: -20 })

/** `streaming-llm run` with a tiny model. */
const run = (args: string[], options?: Parameters<typeof commandLine>[1]): Promise<Ended> =>
  commandLine(['run', '--model', model, ...args], options)

const same = ['--temperature', '0', '--max-tokens', '20']

test('the reply on stdout and nothing else', async () => {
  const { code, stdout, stderr } = await run(['--prompt', 'Hello', ...same])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.endsWith('\n')).toBe(true)
  expect(stdout.length).toBeGreaterThan(5)
})

test('the prompt from stdin or a file is the same prompt', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'run-'))
  const file = path.join(folder, 'prompt.txt')
  writeFileSync(file, 'Hello\r\n')
  const [flag, stdin, dash, fromFile] = await Promise.all([
    run(['--prompt', 'Hello', ...same]),
    run(same, { input: 'Hello\n' }),
    run(['--prompt', '-', ...same], { input: 'Hello' }),
    run(['--prompt-file', file, ...same]),
  ])
  expect([stdin.stdout, dash.stdout, fromFile.stdout]).toEqual([flag.stdout, flag.stdout, flag.stdout])
  rmSync(folder, { recursive: true })
})

test('events as JSON, with the text of the plain reply in them', async () => {
  const plain = await run(['--prompt', 'Hello', ...same])
  const { stdout } = await run(['--prompt', 'Hello', '--json', ...same])
  const events = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; text?: string; reason?: string })
  expect(
    events
      .map(({ text }) => text ?? '')
      .join('')
      .trimEnd(),
  ).toBe(plain.stdout.trimEnd())
  expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'length', usage: { completionTokens: 20 } })
})

test('a reply that fulfils a schema, or follows a grammar', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'run-'))
  const [schema, grammar] = [path.join(folder, 'schema.json'), path.join(folder, 'grammar.gbnf')]
  writeFileSync(
    schema,
    JSON.stringify({
      type: 'object',
      properties: { sure: { type: 'boolean' }, count: { enum: [1, 2] } },
      required: ['sure', 'count'],
    }),
  )
  writeFileSync(grammar, 'root ::= "yes" | "no"')
  const [cut, fulfilling, following, wrong] = await Promise.all([
    run(['--prompt', 'Hello', '--json-schema', schema, '--max-tokens', '3']),
    run(['--prompt', 'Hello', '--json-schema', schema]),
    run(['--prompt', 'Hello', '--grammar', grammar]),
    run(['--prompt', 'Hello', '--json-schema', grammar]),
  ])
  expect(cut).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^\{.*\n$/) as string,
    stderr: expect.stringMatching(/^run: the reply ended \(length\) before its JSON did: [^\n]*\n$/) as string,
  })
  expect(JSON.parse(fulfilling.stdout)).toEqual({
    sure: expect.any(Boolean) as boolean,
    count: expect.any(Number) as number,
  })
  expect(following.stdout).toMatch(/^(yes|no)\n$/)
  expect(wrong).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('is not JSON') as string })
  rmSync(folder, { recursive: true })
})

test('log-probabilities are told with the events', async () => {
  const { stdout } = await run([
    '--prompt',
    'Hello',
    '--json',
    '--logprobs',
    '2',
    '--evict',
    'turn',
    '--top-k',
    '1',
    '--max-tokens',
    '3',
  ])
  const tokens = stdout
    .trimEnd()
    .split('\n')
    .flatMap(line => (JSON.parse(line) as { tokens?: { logprob: number; top: { logprob: number }[] }[] }).tokens ?? [])
  expect(tokens.length).toBeGreaterThan(0)
  for (const { logprob, top } of tokens) expect(top.map(each => each.logprob)).toEqual([logprob, expect.any(Number)])
})

test.each([
  [['--prompt', ''], 'there is no prompt'],
  [[], 'the prompt from stdin is empty'],
  [['--prompt-file', '/no/such/file'], '--prompt-file'],
  [['--prompt', 'x', '--logprobs', '2'], '--logprobs is for --json'],
  [['--prompt', 'x', '--grammar', '/no/such/file'], '--grammar: ENOENT'],
  [['--prompt', 'x', '--dry', 'strength=1'], "unknown option 'dry.strength'"],
  [['--prompt', 'x', '--raw', '--evict', 'turn'], "cannot be used with option '--evict"],
  [['--prompt', 'x', '--temperature', '-1'], "'temperature' must be"],
])('%j ends with 1, and stderr says why', async (args, words) => {
  const { code, stdout, stderr } = await run(args, { input: '' })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(words)
  expect(stderr).not.toMatch(/^ +at /m)
})

const unlessWindows = process.platform === 'win32' ? test.skip : test
unlessWindows('Ctrl-C in the middle of a reply ends with 130', async () => {
  let sent = false
  const { code, stdout } = await run(['--prompt', 'Hello', '--max-tokens', '100000'], {
    during: (child, text) => {
      if (!sent && text.length > 20) sent = child.kill('SIGINT')
    },
  })
  expect(code).toBe(130)
  expect(stdout.length).toBeGreaterThan(20)
})

unlessWindows('a reader that leaves, as head does, is no failure', async () => {
  const { code, stderr } = await run(['--prompt', 'Hello', '--max-tokens', '100000'], {
    during: (child, text) => {
      if (text.length > 20) child.stdout?.destroy()
    },
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
