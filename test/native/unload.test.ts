import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model, type ModelOptions } from '../../lib/index.js'
import { library, typescript } from '../tools/child-program.js'
import { loraBytes, tinyLora } from '../tools/tiny-loras.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }
const ask = { maxTokens: 50 } as const
const sampling = { temperature: 1, seed: 5 } as const
const plain =
  "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-unload-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const soon = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

async function unloaded(model: Model): Promise<void> {
  for (let i = 0; i < 20_000 && model.loaded; i++) await soon(10)
  expect(model.loaded).toBe(false)
}

/** Replies of two chats, with a pause before each where it is asked for. */
async function talk(model: Model, pause: () => Promise<void>): Promise<string[]> {
  const chats = [
    model.createChat({ window: 120, ...sampling }),
    model.createChat({ window: 90, evict: 'turn', ...sampling }),
  ]
  const replies: string[] = []
  for (let turn = 0; turn < 3; turn++) {
    for (const chat of chats) {
      await pause()
      replies.push((await chat.ask(`Question ${turn}, and some more words to fill the window with.`, ask)).text)
    }
  }
  return replies
}

test.each<TinyKind>(['llama', 'gemma3', 'lfm2', 'mamba', 'gpt2', 'deepseek2'])(
  '%s: chats go on to the letter after the model was unloaded, several times',
  async kind => {
    const path = tinyModel(kind, { endBias: -20 })
    const options: ModelOptions = { ...exact, chatTemplate: plain, onWarning: () => {} }
    await using model = await loadModel(path, options)
    const expected = await talk(model, async () => {})
    await using sleeper = await loadModel(path, { ...options, unloadAfter: 20 })
    expect(await talk(sleeper, () => unloaded(sleeper))).toEqual(expected)
    await using onDisk = await loadModel(path, { ...options, unloadAfter: 20, swap: 'disk' })
    expect(await talk(onDisk, () => unloaded(onDisk))).toEqual(expected)
  },
)

test('it is unloaded when nothing is going on, not sooner, and never unless asked for', async () => {
  const path = tinyModel('llama', { endBias: -20 })
  await using stays = await loadModel(path, exact)
  let busy = performance.now()
  await using model = await loadModel(path, { ...exact, unloadAfter: 100 })
  // This thread may stand still for longer than that.
  const notTooSoon = () => expect(model.loaded || performance.now() - busy >= 100).toBe(true)
  notTooSoon()
  await unloaded(model)
  const chat = model.createChat({ window: 200 })
  expect(model.loaded).toBe(false)
  let texts = 0
  for await (const event of chat.stream('Hello', { maxTokens: 30 })) {
    if (event.type !== 'text') continue
    expect(model.loaded).toBe(true)
    // The last text may come when the engine has said its last, so that nothing goes on from then on.
    busy = performance.now()
    // A slow reader: the reply is in progress.
    if (texts++ === 3) await soon(400)
  }
  notTooSoon()
  await unloaded(model)
  // What needs no weights works without.
  expect(model.detokenize(model.tokenize('Hello world'))).toBe('Hello world')
  expect(chat.messages).toHaveLength(2)
  const fork = await chat.fork()
  await chat.save(join(folder, 'asleep.chat'))
  expect(model.loaded).toBe(false)
  const next = await chat.ask('On', { maxTokens: 20, temperature: 0 })
  expect((await fork.ask('On', { maxTokens: 20, temperature: 0 })).text).toBe(next.text)
  await unloaded(model)
  const restored = await model.restoreChat(join(folder, 'asleep.chat'))
  expect((await restored.ask('On', { maxTokens: 20, temperature: 0 })).text).toBe(next.text)
  expect(stays.loaded).toBe(true)
  await stays.close()
  expect(stays.loaded).toBe(false)
})

test('undo, another system prompt, scores and a changed model: all as if it had been there', async () => {
  const path = tinyModel('llama', { endBias: -20 })
  const run = async (model: Model, pause: () => Promise<void>) => {
    const chat = model.createChat({ system: 'Be brief.', window: 200, temperature: 0 })
    const replies = [(await chat.ask('One', ask)).text, (await chat.ask('Two', ask)).text]
    await pause()
    await chat.undo()
    await pause()
    replies.push((await chat.ask('Three', ask)).text)
    await pause()
    await chat.setSystem('Be long.')
    await pause()
    replies.push((await chat.ask('Four', ask)).text)
    const sequence = model.createSequence({ sinks: 4, window: 30 })
    await sequence.append([1, 2, 3])
    await pause()
    replies.push(
      [...(await sequence.score([...Array(60).keys()].map(i => 300 + (i % 40))))].map(score => score.toFixed(3)).join(),
    )
    return replies
  }
  const adapters = [{ path: join(folder, 'adapter.gguf') }]
  writeFileSync(adapters[0]!.path, loraBytes(await tinyLora(path, ['blk.0.attn_q.weight', 'blk.1.ffn_up.weight'])))
  await using model = await loadModel(path, { ...exact, adapters })
  await using sleeper = await loadModel(path, { ...exact, adapters, unloadAfter: 20 })
  expect(await run(sleeper, () => unloaded(sleeper))).toEqual(await run(model, async () => {}))
})

test('embeddings wake it, and let it go again', async () => {
  const path = tinyModel('llama')
  await using model = await loadModel(path, { ...exact, unloadAfter: 30 })
  const [first] = await model.embed(['Hello world'])
  await unloaded(model)
  const [again] = await model.embed(['Hello world'])
  expect(again).toEqual(first)
  await unloaded(model)
})

test('a signal ends a turn that waits for the weights; closing meanwhile is clean', async () => {
  const path = tinyModel('llama', { endBias: -20, width: 512 })
  const model = await loadModel(path, { ...exact, unloadAfter: 20 })
  const chat = model.createChat({ window: 200 })
  await unloaded(model)
  const controller = new AbortController()
  const events: string[] = []
  setTimeout(() => controller.abort(), 1)
  for await (const event of chat.stream('Hello', { signal: controller.signal, maxTokens: 5000 }))
    events.push(event.type === 'finish' ? event.reason : event.type)
  expect(events.at(-1)).toBe('abort')
  expect((await chat.ask('Again', { maxTokens: 5 })).usage.completionTokens).toBe(5)
  await unloaded(model)
  const turn = chat.ask('And on', { maxTokens: 100_000 })
  const failed = expect(turn).rejects.toMatchObject({ code: 'CLOSED' })
  await soon(1)
  await model.close()
  await failed
})

test('a file that has changed meanwhile, or is gone, is an error of that turn, and the chat stays', async () => {
  const path = join(folder, 'changing.gguf')
  const original = tinyModel('llama', { endBias: -20 })
  copyFileSync(original, path)
  await using model = await loadModel(path, { ...exact, unloadAfter: 20 })
  const chat = model.createChat({ window: 200, temperature: 0 })
  await chat.ask('Hello', ask)
  await unloaded(model)
  const kept = readFileSync(path)
  rmSync(path)
  await expect(chat.ask('On', ask)).rejects.toMatchObject({
    code: 'MODEL_LOAD_FAILED',
    message: expect.stringContaining('is gone or has changed'),
  })
  writeFileSync(path, kept.subarray(0, 1000))
  await expect(chat.ask('On', ask)).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' })
  await expect(model.embed(['a'])).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' })
  expect(chat.messages[0]).toEqual({ role: 'user', content: 'Hello' })
})

test('with a folder for swapped caches nothing is left in it once the model is closed', async () => {
  // Of this process: others make theirs in the same place.
  const folders = () => readdirSync(tmpdir()).filter(name => name.startsWith(`streaming-llm-swap-${process.pid}-`))
  const before = folders()
  const model = await loadModel(tinyModel('llama', { endBias: -20 }), { ...exact, unloadAfter: 20, swap: 'disk' })
  await model.createChat({ window: 100 }).ask('Hello', ask)
  await unloaded(model)
  await model.close()
  expect(folders()).toEqual(before)
})

test('waiting to unload keeps no process alive', () => {
  const program = `
    import { loadModel } from ${library}
    const model = await loadModel(${JSON.stringify(tinyModel('llama', { endBias: -20 }))}, { gpu: false, unloadAfter: 3_600_000 })
    await model.createChat({ window: 100 }).ask('Hello', { maxTokens: 5 })
    await model.embed(['a'])`
  expect(
    spawnSync(process.execPath, [...typescript, '--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 500_000,
      killSignal: 'SIGKILL',
    }),
  ).toMatchObject({ status: 0, signal: null })
})
