// Saves two chats in turn to one file, forever, and tells after each how many milliseconds it took: the test will end
// this process in the middle of it. Without a model, so that it starts at once.
import { writeSync } from 'node:fs'
import { readSavedChat, writeSavedChat } from '../../lib/chat/saved-chat.js'

const [, , first, second, file] = process.argv as string[]
const chats = [await readSavedChat(first!), await readSavedChat(second!)]
for (let i = 0; ; i++) {
  const start = performance.now()
  await writeSavedChat(file!, chats[i % 2]!)
  writeSync(1, `${performance.now() - start}\n`)
}
