import { library, withChildProgram } from '../tools/child-program.js'
import { tinyModel } from '../tools/tiny-models.js'

// The limit is set on a process while it runs, from what it has by then; Linux alone has it.
const whereItCanBeSet = process.platform === 'linux' ? test : test.skip

const program = `
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadModel } from ${library}

const model = await loadModel(${JSON.stringify(tinyModel('llama', { contextLength: 4_000_000, endBias: -20 }))}, { gpu: false, threads: 2, kvType: 'f32' })
const chat = model.createChat({ window: 200, temperature: 0 })
const before = (await chat.ask('Hello', { maxTokens: 3 })).usage.completionTokens
const bytes = 1024 * Number(/^VmSize:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (bytes + 300e6) + ':unlimited'])
// 1.5 GB of keys and values.
const large = model.createChat({ window: 1_000_000 })
const code = await large.ask('Hello', { maxTokens: 3 }).then(() => 'none', error => error.code)
await large.close()
const after = (await chat.ask('And now?', { maxTokens: 3 })).usage.completionTokens
console.log(JSON.stringify({ before, code, after, messages: chat.messages.length }))
await model.close()
`

whereItCanBeSet('a cache for which there is no memory is an error of that chat, and the others go on', async () => {
  await withChildProgram(
    () => program,
    printed => {
      expect(printed).toEqual({ before: 3, code: 'OUT_OF_MEMORY', after: 3, messages: 4 })
    },
  )
})
