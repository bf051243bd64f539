// Saves two chats in turn to one file, for ever: somebody will end this process in the middle of it.
import { loadModel } from '../../lib/index.js'

const [, , model, first, second, file] = process.argv as string[]
const loaded = await loadModel(model!, { threads: 1, gpu: false, kvType: 'f32', flashAttention: 'off' })
const chats = [await loaded.restoreChat(first!), await loaded.restoreChat(second!)]
process.stdout.write('saving\n')
for (let i = 0; ; i++) await chats[i % 2]!.save(file!)
