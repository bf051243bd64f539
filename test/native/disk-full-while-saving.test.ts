import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { library, withChildProgram } from '../tools/child-program.js'
import { tinyModel } from '../tools/tiny-models.js'

// A shell limits the size of files and ignores the signal of it, so that writing fails in the midst, as on a full disk.
const whereItCanBeLimited = process.platform === 'win32' ? test.skip : test

const program = (folder: string) => `
import { loadModel } from ${library}

const model = await loadModel(${JSON.stringify(tinyModel('llama', { endBias: -20 }))}, { gpu: false, threads: 1 })
const saved = ${JSON.stringify(path.join(folder, 'saved.chat'))}
const chat = model.createChat({ window: 1_000, temperature: 0 })
await chat.ask('Hello', { maxTokens: 3 })
await chat.save(saved)
await chat.ask('And now? '.repeat(100), { maxTokens: 3 })
const code = await chat.save(saved).then(() => 'none', error => error.code)
const before = chat.messages.length
const old = await model.restoreChat(saved)
const after = (await chat.ask('Go on', { maxTokens: 3 })).usage.completionTokens
console.log(JSON.stringify({ code, before, old: old.messages.length, after }))
await model.close()
`

whereItCanBeLimited(
  'a disk that is full in the midst of saving is an error; the old file stays, and the chat goes on',
  async () => {
    await withChildProgram(
      program,
      (printed, folder) => {
        expect(printed).toEqual({ code: 'SAVE_FAILED', before: 4, old: 2, after: 3 })
        expect(readdirSync(folder).sort()).toEqual(['program.mjs', 'saved.chat'])
        expect(readFileSync(path.join(folder, 'saved.chat')).length).toBeGreaterThan(0)
      },
      'trap "" XFSZ; ulimit -f 400;',
    )
  },
)
