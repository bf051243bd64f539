import path from 'node:path'
import { library, withChildProgram } from '../tools/child-program.js'
import { tinyModel } from '../tools/tiny-models.js'

// A state that V8 has no array for is of gigabytes; here the array is refused for less, in a process of its own.
const program = (folder: string) => `
import { loadModel } from ${library}

const model = await loadModel(${JSON.stringify(tinyModel('llama', { endBias: -20 }))}, { gpu: false, threads: 1 })
const file = ${JSON.stringify(path.join(folder, 'saved.chat'))}
const chat = model.createChat({ window: 1_000, temperature: 0 })
await chat.ask('Hello', { maxTokens: 3 })
const { Uint8Array } = globalThis
globalThis.Uint8Array = function (length) {
  if (length > 5_000) throw new RangeError('Invalid typed array length: ' + length)
  return new Uint8Array(length)
}
const failure = await chat.save(file).then(() => ({}), ({ code, message }) => ({ code, message }))
globalThis.Uint8Array = Uint8Array
await chat.ask('And now?', { maxTokens: 3 })
await chat.save(file)
const restored = await model.restoreChat(file)
console.log(JSON.stringify({ ...failure, messages: restored.messages.length }))
await model.close()
`

test('a chat that JavaScript has no room for is SAVE_FAILED, with what to do, and goes on', async () => {
  await withChildProgram(program, printed => {
    expect(printed).toEqual({
      code: 'SAVE_FAILED',
      message: expect.stringMatching(/takes \d+ bytes.*use Node\.js 22 or later/),
      messages: 4,
    })
  })
})
