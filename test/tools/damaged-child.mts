// Loads each of the files named, as users do and then (without `--checked` before them) without the check of its
// header, and decodes; prints how it went, a line each. Ends with a signal where llama.cpp ends the process.
import { loadModel, StreamingLLMError } from '../../lib/index.js'
import { drain, loadNative, openAddon, verified } from './native-engine.js'

const addon = openAddon()
const alone = process.argv[2] === '--checked'
for (const path of process.argv.slice(alone ? 3 : 2))
  console.log(JSON.stringify([await checked(path), ...(alone ? [] : [await unchecked(path)])]))

async function checked(path: string): Promise<string> {
  try {
    const model = await loadModel(path, { gpu: false, threads: 1 })
    try {
      await model.createSequence({ window: 20 }).append(Array.from({ length: 40 }, (_, i) => 100 + i))
      return 'works'
    } finally {
      await model.close()
    }
  } catch (error) {
    return StreamingLLMError.isInstance(error) ? error.code : `untyped: ${String(error)}`
  }
}

async function unchecked(path: string): Promise<string> {
  try {
    const model = await loadNative(addon, path)
    try {
      const sequence = model.openSequence(verified)
      const read = async () => {
        await drain(sequence.start({ type: 'append', tokens: Int32Array.from({ length: 40 }, (_, i) => 100 + i) }))
      }
      const first = await read().then(() => 'works', codeOf)
      const again = await read().then(() => 'works', codeOf)
      sequence.close()
      return first === again ? first : `${first}, then ${again}`
    } finally {
      await model.close()
    }
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? error)
}
