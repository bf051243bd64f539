import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runningPerplexity } from '../../lib/cli/running-perplexity.js'
import { loadModel, type Model } from '../../lib/index.js'
import { commandLine } from '../tools/command-line.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

const random = seeded(3)
const tokens = Int32Array.from({ length: 120 }, () => 300 + random.below(60))
const mean = (values: Iterable<number>) => {
  const all = [...values]
  return all.reduce((sum, value) => sum + value, 0) / all.length
}

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel('llama'), { threads: 1, kvType: 'f32', flashAttention: 'off' })
})
afterAll(() => model.close())

test('perplexity is e to the mean of what score gives, and each report continues the last', async () => {
  const reference = model.createSequence({ sinks: 4, window: 40 })
  await reference.append(tokens.subarray(0, 1))
  const scores = await reference.score(tokens.subarray(1))
  await reference.close()
  await using sequence = model.createSequence({ sinks: 4, window: 40 })
  const curve: { token: number; nll: number; perplexity: number }[] = []
  const { scored, perplexity } = await runningPerplexity(sequence, tokens, {
    onScores: ({ latest }) => curve.push(...latest),
  })
  expect(scored).toBe(119)
  expect(curve.map(({ token }) => token)).toEqual(Array.from({ length: 119 }, (_, i) => i + 1))
  curve.forEach(({ nll }, i) => expect(nll).toBeCloseTo(-scores[i]!, 4))
  expect(curve[49]!.perplexity).toBeCloseTo(Math.exp(mean(curve.slice(0, 50).map(({ nll }) => nll))), 6)
  expect(perplexity).toBeCloseTo(Math.exp(mean(curve.map(({ nll }) => nll))), 6)
})

test('a policy measured at each 7th token gives there what it gives when all are measured', async () => {
  const values: Map<number, number>[] = []
  for (const every of [1, 7]) {
    await using sequence = model.createSequence({ policy: 'recompute', sinks: 4, window: 30 })
    const at = new Map<number, number>()
    const { scored } = await runningPerplexity(sequence, tokens, {
      every,
      onScores: ({ latest }) => latest.forEach(({ token, nll }) => at.set(token, nll)),
    })
    expect(scored).toBe(Math.ceil(119 / every))
    values.push(at)
  }
  await using streaming = model.createSequence({ policy: 'streaming', sinks: 4, window: 30 })
  const at = new Map<number, number>()
  const { sampledPerplexity } = await runningPerplexity(streaming, tokens, {
    sampled: 7,
    onScores: ({ latest }) => latest.forEach(({ token, nll }) => at.set(token, nll)),
  })
  expect(sampledPerplexity).toBeCloseTo(Math.exp(mean([...values[1]!.keys()].map(token => at.get(token)!))), 6)
  for (const [token, nll] of values[1]!) expect(nll).toBeCloseTo(values[0]!.get(token)!, 3)
})

test('the command prints what the issue of a policy is, for several policies and from stdin', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-perplexity-'))
  const curve = join(folder, 'curve.csv')
  const file = join(folder, 'tokens.txt')
  writeFileSync(file, tokens.join(' '))
  const run = (args: string[], input?: string) =>
    commandLine(['perplexity', '--model', tinyModel('llama'), '--threads', '1', ...args], { input })
  const several = await run([
    '--tokens-file',
    file,
    '--policies',
    'dense,window,streaming,recompute',
    '--sinks',
    '4',
    '--window',
    '40',
    '--kv',
    'f32',
    '--flash-attention',
    'off',
    '--json',
    '--curve',
    curve,
  ])
  expect(several.stderr).toBe('')
  const { results } = JSON.parse(several.stdout) as { results: Record<string, unknown>[] }
  expect(results.map(({ policy, sinks, window, kv, tokens }) => ({ policy, sinks, window, kv, tokens }))).toEqual([
    { policy: 'dense', sinks: 0, window: 120, kv: 'f32', tokens: 120 },
    { policy: 'window', sinks: 0, window: 44, kv: 'f32', tokens: 120 },
    { policy: 'streaming', sinks: 4, window: 40, kv: 'f32', tokens: 120 },
    { policy: 'recompute', sinks: 4, window: 40, kv: 'f32', tokens: 120 },
  ])
  const lines = readFileSync(curve, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map(line => line.split(','))
  for (const { policy, perplexity, msPerToken } of results) {
    const own = lines.filter(([name]) => name === policy)
    expect(own).toHaveLength(119)
    expect(Number(own.at(-1)!.at(-1))).toBeCloseTo(perplexity as number, 6)
    expect(msPerToken).toBeGreaterThan(0)
  }
  const piped = await run(['--tokens', '20', '--json'], 'a few words that are piped in, and some more of them to read')
  expect((JSON.parse(piped.stdout) as { results: { policy: string; tokens: number }[] }).results[0]).toMatchObject({
    policy: 'streaming',
    tokens: 20,
  })
  for (const [args, message] of [
    [['absent.txt'], 'absent.txt'],
    [['--policies', 'a,b'], "'a' is not one of"],
    [['a', '--text-file', 'b'], 'one text at a time'],
    [['--tokens', '1', file], 'at least 2'],
  ] as const) {
    const failed = await run([...args], '')
    expect(failed.code).not.toBe(0)
    expect(failed.stderr).toContain(message)
    expect(failed.stderr).not.toContain('    at ')
  }
})

test('score takes a file, a dash or stdin, as perplexity does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-score-'))
  const file = join(folder, 'text.txt')
  const text = 'a few words that are piped in, and some more of them to read\n'
  writeFileSync(file, text)
  const score = (args: string[], input = '') =>
    commandLine(['score', '--model', tinyModel('llama'), '--threads', '1', ...args], { input })
  const outputs = [
    await score(['--text-file', file]),
    await score([file]),
    await score(['-'], text),
    await score([], text),
  ]
  expect(outputs[0]).toMatchObject({
    code: 0,
    signal: null,
    stdout: expect.stringMatching(/^\d+ tokens, mean negative/) as string,
    stderr: '',
  })
  expect(outputs.slice(1)).toEqual([outputs[0], outputs[0], outputs[0]])
  for (const [args, message] of [
    [['absent.txt'], 'absent.txt'],
    [[file, '--tokens-file', file], 'one text at a time'],
    [[], 'stdin has 0'],
    [['--tokens-file', file], `${file} has something else than a token`],
  ] as const) {
    const { code, stderr } = await score([...args])
    expect(code).toBe(1)
    expect(stderr).toContain(message)
  }
})
