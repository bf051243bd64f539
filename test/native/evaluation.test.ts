import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkModelFile } from '../../lib/gguf/check.js'
import type { Entry } from '../../lib/gguf/header.js'
import {
  type CacheType,
  evaluationAddonPath,
  type NativeShiftOptions,
  type WeightType,
} from '../../research/evaluation/addon.js'
import { callInChild, program } from '../../research/evaluation/child.js'
import { quantize } from '../../research/evaluation/quantize.js'
import { type ShiftOptions, scoreByShift } from '../../research/evaluation/shift.js'
import { shiftRefusal } from '../../research/evaluation/shift-support.js'
import { typescript } from '../tools/child-program.js'
import { drain, loadNative, openAddon, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { tinyModel, tinyModelBytes } from '../tools/tiny-models.js'

const addon = openAddon()
const folder = mkdtempSync(path.join(tmpdir(), 'streaming-llm-evaluation-'))
const inFolder = (name: string) => path.join(folder, name)

beforeAll(evaluationAddonPath, 300_000) // a compiler may have to run
afterAll(() => rmSync(folder, { recursive: true }))

const text = (length: number, seed = 7) => {
  const random = seeded(seed)
  return Int32Array.from({ length }, () => 300 + random.below(60))
}

/** What the engine itself makes of the text. */
async function engineNll(
  model: string,
  tokens: Int32Array,
  sizes: { sinks: number; window: number },
): Promise<number[]> {
  const loaded = await loadNative(addon, model)
  try {
    const sequence = loaded.openSequence({ ...verified, ...sizes, reanchorEvery: 1 })
    await drain(sequence.start({ type: 'append', tokens: tokens.slice(0, 1) }))
    return (await drain(sequence.start({ type: 'score', tokens: tokens.slice(1) }))).scores.map(score => -score)
  } finally {
    await loaded.close()
  }
}

const exact = { kv: 'f32', flashAttention: 'off' } as const
const differences = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (value, i) => Math.abs(value - b[i]!))
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length

describe('scoring by K-shift', () => {
  test.each([
    ['llama', 4, 60],
    ['llama', 0, 33],
    ['qwen2', 1, 50],
    ['bloom', 4, 60],
    ['gemma2', 4, 60],
  ] as const)(
    'of %s with %i + %i tokens is streaming with the sinks moved at every token',
    async (kind, sinks, window) => {
      const tokens = text(260)
      const model = tinyModel(kind)
      const seen: number[] = []
      const { nll, milliseconds } = await scoreByShift(
        { model, tokens, policy: 'shift', sinks, window, ...exact },
        (done, total) => {
          expect(total).toBe(tokens.length - 1)
          seen.push(done)
        },
      )
      expect(nll.length).toBe(tokens.length - 1)
      expect(milliseconds.every(time => time > 0)).toBe(true)
      expect(seen).toEqual([...seen].sort((a, b) => a - b))
      expect(Math.max(...differences(nll, await engineNll(model, tokens, { sinks, window })))).toBeLessThan(2e-3)
    },
  )

  test('of the half is streaming until the cache is full, and another thing after that', async () => {
    const tokens = text(200)
    const model = tinyModel('llama')
    const { nll } = await scoreByShift({ model, tokens, policy: 'half', sinks: 4, window: 60, ...exact })
    const apart = differences(nll, await engineNll(model, tokens, { sinks: 4, window: 60 }))
    expect(Math.max(...apart.slice(0, 65))).toBeLessThan(2e-3)
    expect(apart[65]).toBeGreaterThan(0.05) // before token 65 came, 30 left
  })

  test('of the half sees what a fresh cache of the same tokens sees, in a model of one layer', async () => {
    // Of one layer a key depends on its own token alone, so a shifted cache must be one that never had the lost tokens.
    const model = tinyModel('llama', { layers: 1 })
    const tokens = text(80)
    const { nll } = await scoreByShift({ model, tokens, policy: 'half', sinks: 4, window: 60, ...exact })
    const kept = Int32Array.of(...tokens.slice(0, 4), ...tokens.slice(34)) // before token 65 came, 4 to 33 left
    const fresh = await scoreByShift({ model, tokens: kept, policy: 'half', sinks: 4, window: 60, ...exact })
    expect(Math.max(...differences(nll.slice(65), fresh.nll.slice(35)))).toBeLessThan(2e-3)
  })

  test('a recurrent model sees everything whatever the window', async () => {
    const tokens = text(100)
    const model = tinyModel('mamba')
    const [short, long] = await Promise.all(
      [20, 500].map(window => scoreByShift({ model, tokens, policy: 'shift', sinks: 4, window, ...exact })),
    )
    expect(Math.max(...differences(short!.nll, long!.nll))).toBeLessThan(1e-5)
  })

  test.each([
    ['jamba', 'f32'],
    ['lfm2', 'f32'],
  ] as const)('%s is scored, and sees no more than the cache holds', async (kind, kv) => {
    const tokens = text(120)
    const model = tinyModel(kind)
    const [short, long] = await Promise.all(
      [20, 500].map(window =>
        scoreByShift({ model, tokens, policy: 'shift', sinks: 4, window, kv, flashAttention: 'off' }),
      ),
    )
    expect(short!.nll.every(Number.isFinite)).toBe(true)
    const apart = differences(short!.nll, long!.nll)
    expect(Math.max(...apart.slice(0, 24))).toBeLessThan(1e-4)
    expect(Math.max(...apart.slice(24))).toBeGreaterThan(1e-3)
  })

  test('goes with a quantized cache where heads are wide enough', async () => {
    const tokens = text(90)
    const model = tinyModel('llama', { width: 256 })
    const of = (kv: CacheType) => scoreByShift({ model, tokens, policy: 'shift', sinks: 4, window: 40, kv })
    const [f32, q8] = [await of('f32'), await of('q8_0')]
    expect(mean(differences(f32.nll, q8.nll))).toBeLessThan(0.2)
    expect(mean(differences(f32.nll, q8.nll))).toBeGreaterThan(0)
  })

  test.each<[string, Partial<ShiftOptions>, string]>([
    ['no such policy', { policy: 'streaming' as 'shift' }, 'INVALID_OPTION'],
    ['no window', { window: 0 }, 'INVALID_OPTION'],
    ['sinks that are no number', { sinks: Number.NaN }, 'INVALID_OPTION'],
    ['no such type', { kv: 'q2' as 'f16' }, 'INVALID_OPTION'],
    ['a quantized cache without flash attention', { kv: 'q8_0', flashAttention: 'off' }, 'INVALID_OPTION'],
    ['one token', { tokens: text(1) }, 'INVALID_OPTION'],
    ['a token that does not exist', { tokens: Int32Array.of(1, 1_000_000) }, 'INVALID_OPTION'],
    ['a window beyond what the model knows', { window: 2048 }, 'WINDOW_TOO_LARGE'],
    ['no file', { model: path.join(tmpdir(), 'there-is-no-such-model.gguf') }, 'MODEL_NOT_FOUND'],
    ['no model', { model: fileURLToPath(import.meta.url) }, 'NOT_A_GGUF'],
  ])('%s is a typed error', async (_, given, code) => {
    const scoring = scoreByShift({
      model: tinyModel('llama'),
      tokens: text(10),
      policy: 'shift',
      sinks: 4,
      window: 60,
      ...given,
    })
    await expect(scoring).rejects.toMatchObject({ name: 'StreamingLLMError', code })
  })

  test('is given up when aborted', async () => {
    const giveUp = new AbortController()
    const scoring = scoreByShift(
      {
        model: tinyModel('llama'),
        tokens: text(1_000_000),
        policy: 'shift',
        sinks: 4,
        window: 60,
        signal: giveUp.signal,
      },
      () => giveUp.abort(new Error('enough')),
    )
    await expect(scoring).rejects.toThrow('enough')
  })

  const posix = process.platform === 'win32' ? test.skip : test
  posix('leaves no process behind when its own is killed', async () => {
    const parentProgram = fileURLToPath(new URL('../tools/shift-program.ts', import.meta.url))
    const parent = spawn(process.execPath, [...typescript, parentProgram, tinyModel('llama')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise(resolve => parent.stdout.once('data', resolve))
    const processes = () =>
      execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='])
        .toString()
        .trim()
        .split('\n')
        .map(line => line.trim().split(/\s+/))
    const children = processes()
      .filter(([, ppid]) => ppid === String(parent.pid))
      .map(([pid]) => pid)
    parent.kill('SIGKILL')
    expect(children.length).toBeGreaterThan(0)
    const left = () => processes().filter(([pid, , state]) => children.includes(pid) && !state!.startsWith('Z'))
    for (let i = 0; i < 2000 && left().length > 0; i++) await new Promise(resolve => setTimeout(resolve, 100))
    expect(left()).toEqual([])
  })

  // Its parent dies while it is busy, so that the first it hears of it is a message that cannot be sent.
  posix('nor where a message to it fails first', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'child-'))
    const addon = path.join(folder, 'addon.cjs')
    writeFileSync(
      addon,
      `
      exports.open = () => {}
      exports.compute = progress => {
        require('node:crypto').pbkdf2('a', 'b', 1e9, 64, 'sha512', () => {}) // minutes, on a thread of its own
        progress(0)
        for (const until = Date.now() + 1500; Date.now() < until;);
        progress(1)
        return new Promise(() => {})
      }
    `,
    )
    const parentProgram = `
      const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['-e', ${JSON.stringify(program)}], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' })
      child.on('message', () => { console.log(child.pid); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200) })
      child.send({ addon: ${JSON.stringify(addon)}, paths: {}, call: 'compute', args: [], progress: true })
    `
    const parent = spawn(process.execPath, ['-e', parentProgram], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pid = Number(await new Promise<Buffer>(resolve => parent.stdout.once('data', resolve)))
    const alive = () =>
      execFileSync('ps', ['-A', '-o', 'pid=,stat='])
        .toString()
        .split('\n')
        .some(line => new RegExp(`^ *${pid} +[^Z]`).test(line))
    for (let i = 0; i < 2000 && alive(); i++) await new Promise(resolve => setTimeout(resolve, 100))
    const left = alive()
    if (left) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true })
    expect(left).toBe(false)
  })
})

describe('where a K-shift would be wrong', () => {
  test.each<[string, () => Partial<ShiftOptions>, RegExp]>([
    ['M-RoPE', () => ({ model: tinyModel('qwen2vl') }), /M-RoPE/],
    ['learned positions', () => ({ model: tinyModel('gpt2') }), /learned positions/],
    ['a bf16 cache', () => ({ kv: 'bf16' }), /bf16/],
    ['a quantized cache with narrow heads', () => ({ kv: 'q8_0' }), /32 values/],
  ])('%s is refused before anything is decoded', async (_, given, reason) => {
    const decoded: number[] = []
    const scoring = scoreByShift(
      { model: tinyModel('llama'), tokens: text(10), policy: 'shift', sinks: 1, window: 4, ...given() },
      done => decoded.push(done),
    )
    await expect(scoring).rejects.toMatchObject({
      name: 'StreamingLLMError',
      code: 'POLICY_UNAVAILABLE',
      message: expect.stringMatching(reason),
    })
    expect(decoded).toEqual([])
  })

  // The decision is made from the file's header, before llama.cpp sees the file.
  const hparam = (value: number): Entry => ({ type: 'float32', value })
  const word = (value: string): Entry => ({ type: 'string', value, byteLength: value.length })
  const list = (...values: number[]): Entry => ({
    type: 'array',
    elementType: 'int32',
    length: values.length,
    position: 0,
    values,
  })
  const refusal = (
    architecture: string,
    hparams: Record<string, Entry>,
    kv: CacheType = 'f16',
    hasLearnedPositions = false,
  ) => {
    const usual = {
      block_count: hparam(32),
      embedding_length: hparam(1024),
      'attention.head_count': hparam(8),
      ...hparams,
    }
    return shiftRefusal(
      {
        architecture,
        hasLearnedPositions,
        entries: new Map(Object.entries(usual).map(([name, entry]) => [`${architecture}.${name}`, entry])),
      },
      kv,
    )
  }

  test.each<[string, string, Record<string, Entry>, CacheType, RegExp]>([
    ['M-RoPE sections', 'glm4', { 'rope.dimension_sections': list(16, 24, 24, 0) }, 'f16', /several parts/],
    ['interleaved M-RoPE', 'qwen35', {}, 'f16', /several parts/],
    ['YaRN', 'llama', { 'rope.scaling.type': word('yarn') }, 'f16', /YaRN/],
    ['YaRN by its factor', 'grok', { 'rope.scaling.yarn_ext_factor': hparam(1) }, 'f16', /YaRN/],
    ['an attention factor', 'phi3', { 'rope.scaling.attn_factor': hparam(1.19) }, 'f16', /1\.19/],
    ['layers without positions', 'smollm3', {}, 'f16', /no positions/],
    ['layers without positions, by size', 'exaone4', { block_count: hparam(64) }, 'f16', /no positions/],
    [
      'layers without positions, by window',
      'smallthinker',
      { 'attention.sliding_window': hparam(4096) },
      'f16',
      /no positions/,
    ],
    ['ALiBi taken for rotation', 'baichuan', { block_count: hparam(40) }, 'f16', /ALiBi/],
    ['learned positions taken for rotation', 'starcoder', {}, 'f16', /learned positions/],
    [
      'attention temperature',
      'mistral3',
      { 'attention.temperature_scale': hparam(0.1) },
      'f16',
      /position in the text/,
    ],
    ['attention temperature of old', 'llama4', {}, 'f16', /position in the text/],
    ['rotation by layer', 'step35', {}, 'f16', /unlike parts/],
    ['index keys', 'deepseek32', {}, 'f16', /index keys/],
    ['a hybrid with windowed attention only', 'lfm2', { 'attention.sliding_window': hparam(32) }, 'f16', /windowed/],
    [
      'windows in every layer',
      'gemma3',
      { 'attention.sliding_window': hparam(32), 'attention.sliding_window_pattern': list(1, 1, 1) },
      'f16',
      /windowed/,
    ],
    ['heads of 80 in a q8_0 cache', 'llama', { 'attention.key_length': hparam(80) }, 'q8_0', /80 values/],
    [
      'heads of 96 in a q4_0 cache',
      'phi3',
      { embedding_length: hparam(3072), 'attention.head_count': hparam(32) },
      'q4_0',
      /96 values/,
    ],
    ['a quarter rotated in a q4_0 cache', 'gptneox', { 'rope.dimension_count': hparam(32) }, 'q4_0', /32 of the 128/],
    ['compressed keys in a q8_0 cache', 'deepseek2', { 'attention.kv_lora_rank': hparam(512) }, 'q8_0', /compressed/],
    ['heads that the file does not tell', 'llama', { 'attention.head_count': word('many') }, 'q8_0', /does not tell/],
    ['a bf16 cache', 'llama', {}, 'bf16', /bf16/],
  ])('%s has its reason', (_, architecture, hparams, kv, reason) => {
    expect(refusal(architecture, hparams, kv)).toMatch(reason)
  })

  test('learned positions have theirs', () => {
    expect(refusal('mpt', {}, 'f16', true)).toMatch(/learned positions/)
  })

  test.each<[string, string, Record<string, Entry>, CacheType]>([
    ['plain rotation', 'llama', {}, 'q4_0'],
    ['linear scaling', 'llama', { 'rope.scaling.type': word('linear'), 'rope.scaling.factor': hparam(4) }, 'f16'],
    ['an attention factor of one', 'phi3', { 'rope.scaling.attn_factor': hparam(1) }, 'f16'],
    ['a quarter rotated in an f16 cache', 'gptneox', { 'rope.dimension_count': hparam(32) }, 'f16'],
    ['the smaller EXAONE', 'exaone4', { block_count: hparam(30) }, 'f16'],
    ['the smaller Baichuan', 'baichuan', {}, 'f16'],
    ['ALiBi', 'bloom', { 'attention.key_length': hparam(80) }, 'q8_0'],
    [
      'windows in some layers',
      'gemma3',
      { 'attention.sliding_window': hparam(32), 'attention.sliding_window_pattern': list(1, 1, 0) },
      'f16',
    ],
    ['a hybrid', 'lfm2', { 'attention.head_count_kv': list(0, 2, 0, 2) }, 'f16'],
    ['sections that are all nothing', 'glm4', { 'rope.dimension_sections': list(0, 0, 0, 0) }, 'f16'],
  ])('%s has none', (_, architecture, hparams, kv) => {
    expect(refusal(architecture, hparams, kv)).toBeUndefined()
  })

  // The second line of defence: what the header did not tell shows in the child, at a shift that does not count.
  const inChild = (given: Partial<NativeShiftOptions>) =>
    callInChild(
      'score',
      [
        {
          model: tinyModel('llama'),
          tokens: text(10),
          policy: 'shift',
          sinks: 1,
          window: 4,
          kv: 'f16',
          flashAttention: 'auto',
          threads: 1,
          ...given,
        },
      ],
      { onProgress: () => {} },
    )

  test('the addon refuses M-RoPE by itself', async () => {
    await expect(inChild({ model: tinyModel('qwen2vl') })).rejects.toMatchObject({ code: 'POLICY_UNAVAILABLE' })
  })

  test.each(['bf16', 'q8_0'] as const)(
    'a shift of %s keys that ends the process ends the child before it has begun',
    async kv => {
      await expect(inChild({ kv })).rejects.toMatchObject({
        begun: false,
        how: expect.stringMatching(/^was ended by SIG/),
      })
    },
  )
})

describe('quantizing', () => {
  const source = () => tinyModel('llama', { width: 256 })
  const tokens = text(60)
  const nll = (model: string) => engineNll(model, tokens, { sinks: 4, window: 100 })

  test('the result loads and scores close to the original, the closer the wider the type; also from quantized weights', async () => {
    const original = await nll(source())
    const apart: Record<string, number> = {}
    const sizes: Record<string, number> = { f32: statSync(source()).size }
    for (const type of ['f16', 'q8_0', 'q5_1', 'q4_1', 'q4_0', 'q4_K_M'] as WeightType[]) {
      const target = inFolder(`${type}.gguf`)
      await quantize(source(), target, type)
      expect((await checkModelFile(target)).architecture).toBe('llama')
      sizes[type] = statSync(target).size
      apart[type] = mean(differences(original, await nll(target)))
    }
    const again = inFolder('again.gguf')
    await quantize(inFolder('q8_0.gguf'), again, 'q4_0')
    apart.again = mean(differences(original, await nll(again)))
    expect(apart.f16).toBeLessThan(0.01)
    expect(apart.q8_0).toBeLessThan(0.05)
    expect(apart.q8_0!).toBeLessThan(apart.q4_0!)
    for (const type of ['q5_1', 'q4_1', 'q4_0', 'q4_K_M', 'again'])
      expect({ type, small: apart[type]! < 1 }).toEqual({ type, small: true })
    expect(apart.q4_0).toBeGreaterThan(0)
    expect(sizes.f32! > sizes.f16! && sizes.f16! > sizes.q8_0! && sizes.q8_0! > sizes.q4_0!).toBe(true)
  })

  test('replaces a file that is there', async () => {
    const target = inFolder('there.gguf')
    writeFileSync(target, 'old')
    await quantize(source(), target, 'f16')
    expect(readFileSync(target).subarray(0, 4).toString()).toBe('GGUF')
  })

  test('what is wrong is a typed error, and leaves nothing behind', async () => {
    const unheardOf = inFolder('unheard-of.gguf')
    const bytes = tinyModelBytes('llama')
      .toString('latin1')
      .replaceAll('llama.', 'zzama.')
      .replace(/(general\.architecture.{12})llama/s, '$1zzama')
    writeFileSync(unheardOf, bytes, 'latin1')
    const before = readdirSync(folder)
    const cases: [string, string, string, string][] = [
      [source(), inFolder('x.gguf'), 'q9', 'INVALID_OPTION'],
      [source(), inFolder('no/such/folder/x.gguf'), 'q8_0', 'INVALID_OPTION'],
      [source(), source(), 'q8_0', 'INVALID_OPTION'],
      [source(), folder, 'q8_0', 'INVALID_OPTION'],
      [inFolder('nothing.gguf'), inFolder('x.gguf'), 'q8_0', 'MODEL_NOT_FOUND'],
      [fileURLToPath(import.meta.url), inFolder('x.gguf'), 'q8_0', 'NOT_A_GGUF'],
      [unheardOf, inFolder('x.gguf'), 'q8_0', 'MODEL_UNSUPPORTED'],
    ]
    for (const [from, to, type, code] of cases) {
      await expect(quantize(from, to, type as WeightType)).rejects.toMatchObject({ name: 'StreamingLLMError', code })
    }
    expect(readdirSync(folder)).toEqual(before)
  })
})
