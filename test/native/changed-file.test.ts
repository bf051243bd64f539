import { copyFileSync, mkdtempSync, renameSync, rmSync, truncateSync, unlinkSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type ModelOptions } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-changed-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const options: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }
const ask = { maxTokens: 12, seed: 1 } as const
const original = tinyModel('llama', { endBias: -20 })

let count = 0
function copy(): string {
  const path = join(folder, `${count++}.gguf`)
  copyFileSync(original, path)
  return path
}

const half = (path: string) => truncateSync(path, 100_000)

// On Windows a mapped file cannot be changed.
const posix = process.platform === 'win32' ? describe.skip : describe

posix('a model file that changes while it is mapped', () => {
  test.each<[string, (path: string) => void]>([
    ['is made shorter', half],
    ['is emptied', path => truncateSync(path, 0)],
    ['is touched', path => utimesSync(path, new Date(), new Date(Date.now() + 10_000))],
  ])('%s: the next turn says so, and the chat is as it was', async (_name, change) => {
    const path = copy()
    await using model = await loadModel(path, options)
    const chat = model.createChat({ window: 200 })
    await chat.ask('Hello', ask)
    const before = structuredClone(chat.messages)
    change(path)
    for (let i = 0; i < 2; i++) {
      await expect(chat.ask('And now?', ask)).rejects.toMatchObject({
        code: 'MODEL_CHANGED',
        message: expect.stringContaining(path),
      })
      expect(chat.messages.slice(0, before.length)).toEqual(before)
    }
    await expect(model.embed(['a text'])).rejects.toMatchObject({ code: 'MODEL_CHANGED' })
    // What needs no weights goes on: the chat can be kept, and go on with the file that it was begun with.
    const saved = `${path}.chat`
    await chat.save(saved)
    const fresh = copy()
    await using again = await loadModel(fresh, options)
    const restored = await again.restoreChat(saved)
    expect(restored.messages).toEqual(chat.messages)
    expect((await restored.ask('And now?', ask)).text).not.toBe('')
  })

  test('undo needs no weights, regenerate and add fail, and what is kept of the chat is as its messages say', async () => {
    const path = copy()
    const loaded = new Date(1_700_000_000_000)
    utimesSync(path, loaded, loaded)
    await using model = await loadModel(path, options)
    const chat = model.createChat({ window: 400, temperature: 0 })
    for (const question of ['One', 'Two']) await chat.ask(question, { maxTokens: 4 })
    utimesSync(path, new Date(), new Date())
    const changed = { code: 'MODEL_CHANGED' }
    expect(await chat.undo()).toHaveLength(2)
    const before = structuredClone(chat.messages)
    await expect(chat.regenerate().next()).rejects.toMatchObject(changed)
    const exchange = [
      { role: 'user', content: 'CAT' },
      { role: 'assistant', content: 'MIAOW' },
    ]
    await expect(chat.add(exchange)).rejects.toMatchObject(changed)
    expect(chat.messages).toEqual(before)
    utimesSync(path, loaded, loaded)
    await chat.ask('Three', { maxTokens: 4 })
    const kept = model.detokenize(await chat.conversation.keptTokens(), { special: true })
    const told = chat.messages.map(({ role, content }) => `<|im_start|>${role}\n${content}`).join('<|im_end|>\n')
    expect(kept.slice(kept.indexOf('<|im_start|>'))).toBe(told)
  })

  test.each<[string, (path: string) => void]>([
    [
      'another file takes its place',
      path => {
        copyFileSync(tinyModel('llama', { endBias: -20, seed: 7 }), `${path}.new`)
        renameSync(`${path}.new`, path)
      },
    ],
    ['it is deleted', unlinkSync],
  ])('%s: what is mapped stays', async (_name, change) => {
    const path = copy()
    await using model = await loadModel(path, options)
    await using unchanged = await loadModel(original, options)
    const [chat, expected] = [model.createChat({ window: 200 }), unchanged.createChat({ window: 200 })]
    for (const one of [chat, expected]) await one.ask('Hello', ask)
    change(path)
    expect((await chat.ask('And now?', ask)).text).toBe((await expected.ask('And now?', ask)).text)
  })

  test('without mmap it is not needed any more', async () => {
    const path = copy()
    await using model = await loadModel(path, { ...options, mmap: false })
    await using unchanged = await loadModel(original, options)
    const [chat, expected] = [model.createChat({ window: 200 }), unchanged.createChat({ window: 200 })]
    for (const one of [chat, expected]) await one.ask('Hello', ask)
    truncateSync(path, 0)
    expect((await chat.ask('And now?', ask)).text).toBe((await expected.ask('And now?', ask)).text)
    expect((await model.embed(['a text']))[0]).toEqual((await unchanged.embed(['a text']))[0])
  })
})
