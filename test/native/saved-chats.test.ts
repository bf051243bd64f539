import { spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { readSavedChat } from '../../lib/chat/saved-chat.js'
import { type Chat, loadModel, type Model, type ModelOptions } from '../../lib/index.js'
import { seeded } from '../tools/random.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-saved-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }
const path = tinyModel('llama', { endBias: -20 })
const sampling = { temperature: 1, seed: 5, repeatPenalty: 1.2, penaltyTokens: 'window', dry: {} } as const

/** A chat whose window has moved on. */
async function spoken(chat: Chat, turns = 4): Promise<Chat> {
  for (let i = 0; i < turns; i++)
    await chat.ask(`Question ${i}, and some more words to fill the window with.`, { maxTokens: 40 })
  return chat
}

const go = { maxTokens: 60 } as const

describe('a chat that was saved', () => {
  test.each([
    ['by tokens', { window: 120 }],
    ['by turns', { window: 150, evict: 'turn' }],
    ['dense', { policy: 'dense', window: 1000 }],
    ['recompute', { policy: 'recompute', window: 60 }],
    ['nothing evicted yet', { window: 600 }],
  ] as const)('%s: goes on as the one that was not', async (_name, options) => {
    const file = join(folder, 'plain.chat')
    await using model = await loadModel(path, exact)
    const chat = await spoken(model.createChat({ system: 'Be brief.', ...options, ...sampling }))
    await chat.save(file)
    const expected = [await chat.ask('Go on', go), await chat.ask('And on', go)]
    await using other = await loadModel(path, exact)
    const restored = await other.restoreChat(file)
    expect(restored.restoredFrom).toEqual({ what: 'cache' })
    expect(restored.limits).toEqual(chat.limits)
    const replies = [await restored.ask('Go on', go), await restored.ask('And on', go)]
    expect(replies.map(({ text }) => text)).toEqual(expected.map(({ text }) => text))
    expect(replies.map(({ usage }) => usage)).toEqual(expected.map(({ usage }) => usage))
    expect(restored.messages).toEqual(chat.messages)
    expect(restored.usage).toEqual(chat.usage)
  })

  test.each<TinyKind>(['gemma3', 'lfm2', 'jamba', 'qwen35', 'mamba', 'gpt2', 'deepseek2'])(
    'of a %s model: goes on as the one that was not',
    async kind => {
      const file = join(folder, `${kind}.chat`)
      await using model = await loadModel(tinyModel(kind, { endBias: -20 }), {
        ...exact,
        chatTemplate:
          "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
        onWarning: () => {},
      })
      const chat = await spoken(model.createChat({ window: 100, temperature: 0 }))
      await chat.save(file)
      const expected = await chat.ask('Go on', go)
      const restored = await model.restoreChat(file)
      expect(restored.restoredFrom).toEqual({ what: 'cache' })
      expect((await restored.ask('Go on', go)).text).toBe(expected.text)
    },
  )

  test('before its first turn, after one that was left, or put away for another chat, is the same', async () => {
    const warnings: string[] = []
    await using model = await loadModel(path, {
      ...exact,
      maxSequences: 1,
      onWarning: message => warnings.push(message),
    })
    const fresh = model.createChat({
      system: 'Be brief.',
      messages: [
        { role: 'user', content: 'One' },
        { role: 'assistant', content: 'Two' },
      ],
      ...sampling,
    })
    await fresh.save(join(folder, 'fresh.chat'))
    const expected = await fresh.ask('Go on', go)
    const restored = await model.restoreChat(join(folder, 'fresh.chat'))
    expect(restored.restoredFrom).toMatchObject({ what: 'messages', reason: 'nothing of it had been decoded' })
    expect(warnings).toEqual([]) // of what would be decoded in any case
    expect(restored.system).toBe('Be brief.')
    expect((await restored.ask('Go on', go)).text).toBe(expected.text)

    const left = await spoken(model.createChat({ window: 120, ...sampling }), 2)
    for await (const event of left.stream('Go')) if (event.type === 'text') break
    await restored.ask('It is my turn', go) // takes the only place
    await left.save(join(folder, 'left.chat'))
    const again = await model.restoreChat(join(folder, 'left.chat'))
    expect(again.restoredFrom).toEqual({ what: 'cache' })
    expect((await again.ask('Go on', go)).text).toBe((await left.ask('Go on', go)).text)
    expect(again.messages).toEqual(left.messages)
  })

  test('is restored with other sampling where that is asked for, and refuses other options', async () => {
    await using model = await loadModel(path, exact)
    const file = join(folder, 'options.chat')
    await (await spoken(model.createChat(sampling), 1)).save(file)
    const [one, two] = [await model.restoreChat(file, { seed: 6 }), await model.restoreChat(file)]
    expect((await one.ask('Go', go)).text).not.toBe((await two.ask('Go', go)).text)
    await expect(model.restoreChat(file, { window: 5 } as object)).rejects.toMatchObject({ code: 'UNKNOWN_OPTION' })
  })

  describe('with other tools than it is restored with', () => {
    const tools = (name: string) => ({
      [name]: { description: `does ${name}`, parameters: { type: 'object' } } as const,
    })
    const held = async (model: Model, chat: Chat) =>
      model.detokenize(await chat.conversation.keptTokens(), { special: true })
    const warnings: string[] = []
    let model: Model
    beforeAll(
      async () => void (model = await loadModel(path, { ...exact, onWarning: message => warnings.push(message) })),
    )
    afterAll(() => model.close())
    const asked = { maxTokens: 3, toolChoice: 'none' } as const

    test.each([
      ['pinned', { pinSystem: true }, { what: 'cache' }],
      ['not pinned', { pinSystem: false }, { what: 'messages', reason: 'it was saved with other tools' }],
      ['pinned, without a system prompt', { pinSystem: true, system: undefined }, { what: 'cache' }],
    ])('%s, it tells of those that it has now', async (name, options, from) => {
      const file = join(folder, `tools ${name}.chat`)
      const chat = model.createChat({
        system: 'Be brief.',
        window: 1800,
        temperature: 0,
        tools: tools('oldtool'),
        ...options,
      })
      for (const question of ['One', 'Two']) await chat.ask(question, asked)
      await chat.save(file)
      expect((await model.restoreChat(file, { tools: tools('oldtool') })).restoredFrom).toEqual({ what: 'cache' })
      warnings.length = 0
      for (const given of [{ tools: tools('newtool') }, {}]) {
        const restored = await model.restoreChat(file, given)
        expect(restored.restoredFrom).toEqual('tools' in given || from.what === 'messages' ? from : expect.anything())
        expect(restored.messages).toEqual(chat.messages)
        await restored.ask('Three', { maxTokens: 3 })
        const text = await held(model, restored)
        expect([text.includes('oldtool'), text.includes('newtool')]).toEqual([false, 'tools' in given])
        // As if it had been so from the start, but for the reply: what stays in the cache has seen the old ones.
        const messages = restored.messages.slice(0, -2)
        const straight = model.createChat({
          system: 'Be brief.',
          window: 1800,
          messages,
          temperature: 0,
          ...options,
          ...given,
        })
        await straight.ask('Three', { maxTokens: 3 })
        const question = (all: string) => all.slice(0, all.lastIndexOf('assistant'))
        expect(question(text)).toBe(question(await held(model, straight)))
      }
    })

    test('pinned, in a window that has moved on, stays but for them', async () => {
      const file = join(folder, 'moved tools.chat')
      const chat = await spoken(
        model.createChat({ pinSystem: true, window: 700, temperature: 0, tools: tools('oldtool') }),
        5,
      )
      expect(chat.usage.evictedTokens).toBeGreaterThan(0)
      await chat.save(file)
      const restored = await model.restoreChat(file, { tools: tools('anothertool') })
      expect(restored.restoredFrom).toEqual({ what: 'cache' })
      const { messages } = restored
      expect(messages).toEqual(chat.messages.slice(chat.messages.length - messages.length))
      await restored.ask('Go on', asked)
      expect(await held(model, restored)).toContain('anothertool')
      await restored.save(file)
      expect((await model.restoreChat(file, { tools: tools('anothertool') })).restoredFrom).toEqual({ what: 'cache' })
    })

    test('or another template, it is decoded again from its messages', async () => {
      const file = join(folder, 'template.chat')
      const chat = await spoken(model.createChat({ window: 600, temperature: 0 }), 1)
      await chat.save(file)
      const chatTemplate =
        "{% for m in messages %}{{ m['role'] + '> ' + m['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant> ' }}{% endif %}"
      const restored = await model.restoreChat(file, { chatTemplate })
      expect(restored.restoredFrom).toEqual({ what: 'messages', reason: 'it was saved with another chat template' })
      await restored.ask('Go on', asked)
      expect(await held(model, restored)).toMatch(/user> Question 0.*assistant> .*user> Go on\nassistant> /s)
      await restored.save(file)
      expect((await model.restoreChat(file)).restoredFrom).toEqual({ what: 'cache' })
    })
  })

  test('with another kind of cache is decoded again from its tokens, and says so', async () => {
    const file = join(folder, 'kind.chat')
    await using model = await loadModel(path, exact)
    const chat = await spoken(model.createChat({ system: 'Be brief.', window: 120, ...sampling }))
    await chat.save(file)
    const warnings: string[] = []
    await using other = await loadModel(path, { ...exact, kvType: 'f16', onWarning: message => warnings.push(message) })
    const restored = await other.restoreChat(file)
    expect(restored.restoredFrom).toMatchObject({ what: 'tokens', reason: expect.stringContaining('f32') })
    expect(warnings.join()).toContain('decoded again')
    expect(restored.usage).toEqual(chat.usage)
    const events: string[] = []
    for await (const event of restored.stream('Go on', go)) if (events.at(-1) !== event.type) events.push(event.type)
    expect(events).toContain('rebase')
    expect(restored.messages.at(-1)!.content).not.toBe('')
  })

  test('with another model is decoded again from its messages, and says so', async () => {
    const file = join(folder, 'model.chat')
    await using model = await loadModel(path, exact)
    const chat = await spoken(model.createChat({ system: 'Be brief.', window: 120, ...sampling }))
    await chat.save(file)
    const warnings: string[] = []
    await using other = await loadModel(tinyModel('llama', { endBias: -19 }), {
      ...exact,
      onWarning: message => warnings.push(message),
    })
    const restored = await other.restoreChat(file)
    expect(restored.restoredFrom).toMatchObject({ what: 'messages', reason: expect.stringContaining('another model') })
    expect(restored.messages).toEqual(chat.messages)
    expect(restored.system).toBe('Be brief.')
    expect((await restored.ask('Go on', go)).usage.promptTokens).toBeGreaterThan(100)
    expect(warnings.join()).toContain('another model')
  })

  test('with a window that the cache has no room for is refused as when it is made', async () => {
    const file = join(folder, 'small.chat')
    await using model = await loadModel(path, exact)
    await (await spoken(model.createChat({ window: 600 }))).save(file)
    await using other = await loadModel(path, { ...exact, cacheTokens: 512, onWarning: () => {} })
    await expect(other.restoreChat(file)).rejects.toMatchObject({ code: 'WINDOW_TOO_LARGE' })
  })
})

describe('a file', () => {
  const file = join(folder, 'whole.chat')
  let bytes: Buffer
  beforeAll(async () => {
    await using model = await loadModel(path, exact)
    await (await spoken(model.createChat({ window: 120, ...sampling }))).save(file)
    bytes = readFileSync(file)
  })

  test("is its owner's alone", () => {
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('that is damaged anywhere, cut off, of another version or something else, is refused', async () => {
    await using model = await loadModel(path, exact)
    const damaged = join(folder, 'damaged.chat')
    const refused = async (content: Buffer, reason: RegExp) => {
      writeFileSync(damaged, content)
      await expect(model.restoreChat(damaged)).rejects.toMatchObject({
        code: 'SAVED_CHAT_INVALID',
        message: expect.stringMatching(reason),
      })
    }
    const random = seeded(3)
    for (let i = 0; i < 60; i++) {
      const changed = Buffer.from(bytes)
      const at = random.below(bytes.length)
      changed[at] = changed[at]! ^ (1 << random.below(8))
      await refused(changed, /damaged|version|no saved chat/)
    }
    for (let i = 0; i < 40; i++)
      await refused(bytes.subarray(0, random.below(bytes.length)), /damaged|version|no saved chat/)
    const other = Buffer.from(bytes)
    other.writeUInt32LE(2, 8)
    await refused(other, /version 2/)
    await refused(readFileSync(path).subarray(0, 5000), /no saved chat/)
    await expect(model.restoreChat(join(folder, 'absent.chat'))).rejects.toMatchObject({ code: 'SAVED_CHAT_INVALID' })
    const named = model.restoreChat(join(folder, 'a\0.chat'))
    await expect(named).rejects.toThrow('no name of a file has a NUL character')
    const chat = model.createChat()
    await expect(chat.save(join(folder, 'no such folder', 'x.chat'))).rejects.toMatchObject({ code: 'SAVE_FAILED' })
    await chat.ask('Still here?', { maxTokens: 2 })
  })

  test('is the old or the new one when the process is killed at any moment of saving', async () => {
    const [first, second, target] = ['first.chat', 'second.chat', 'target.chat'].map(name => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await using model = await loadModel(path, exact)
    const texts: string[] = []
    for (const [i, name] of [first, second].entries()) {
      const chat = await spoken(model.createChat({ window: 1500, temperature: 0, system: `Be number ${i}.` }), 12)
      await chat.save(name)
      texts.push((await chat.ask('Go on', { maxTokens: 10 })).text)
      await chat.close()
    }
    copyFileSync(first, target)
    // One file of plain JavaScript starts several times as fast as what is translated as it is loaded.
    const program = join(folder, 'saving-child.mjs')
    buildSync({
      entryPoints: [fileURLToPath(new URL('../tools/saving-child.mts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
    })
    const random = seeded(11)
    const seen = new Set<number>()
    let unfinished = 0
    for (let kill = 0; kill < 60; kill++) {
      // A process takes longer to start than to save, so each start serves for one kill at a moment of its own: after
      // some saves, and a part of the time that the last of them took on this machine.
      const saving = spawn(process.execPath, [program, first, second, target], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = new Promise(resolve => saving.once('close', resolve))
      const saves: number[] = []
      const some = 1 + random.below(4)
      for await (const line of createInterface(saving.stdout)) if (saves.push(Number(line)) >= some) break
      expect(saves.length).toBeGreaterThanOrEqual(some) // else it ended by itself
      await new Promise(resolve => setTimeout(resolve, random.next() * saves.at(-1)!))
      saving.kill('SIGKILL')
      await ended
      // Throws where the checksum is not that of all the rest.
      const which = ['Be number 0.', 'Be number 1.'].indexOf((await readSavedChat(target)).system!)
      expect(which).toBeGreaterThanOrEqual(0)
      seen.add(which)
      if (readdirSync(folder).some(name => name.includes(`.${saving.pid}-`))) unfinished++
      if (kill % 20 === 0) {
        const restored = await model.restoreChat(target)
        expect((await restored.ask('Go on', { maxTokens: 10 })).text).toBe(texts[which])
        await restored.close()
      }
    }
    expect(seen).toEqual(new Set([0, 1]))
    expect(unfinished).toBeGreaterThan(6) // it was in the middle of it
    // What the last one left behind goes with the next save.
    const chat = await model.restoreChat(target)
    await chat.save(target)
    expect(readdirSync(folder).filter(name => name.endsWith('.part'))).toEqual([])
  })
})
