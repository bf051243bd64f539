import { loadModel } from '../../lib/index.js'
import { loadNative, openAddon } from '../tools/native-engine.js'
import { tinyModel } from '../tools/tiny-models.js'

/** llama.cpp keeps one place for its log in a process, and each addon that opens its library takes it. */
test('the log comes to who asks for it, also after another addon of the process has asked', async () => {
  const path = tinyModel('llama')
  const heard = async (): Promise<string[]> => {
    const lines: string[] = []
    const model = await loadModel(path, { gpu: false, onLog: ({ text }) => lines.push(text) })
    const sequence = model.createSequence()
    await sequence.append(model.tokenize('Hello'))
    await model.close()
    return lines
  }
  const computing = expect.arrayContaining([expect.stringContaining('compute buffer size')])
  expect(await heard()).toEqual(computing)
  const other = await loadNative(openAddon(), path)
  other.close()
  expect(await heard()).toEqual(computing)
})
