// Saves two chats in turn to one file, for ever: somebody will end this process in the middle of it. Without a model, so that
// it starts at once.
import { readSavedChat, writeSavedChat } from '../../lib/saved-chat.js'

const [, , first, second, file] = process.argv as string[]
const chats = [await readSavedChat(first!), await readSavedChat(second!)]
process.stdout.write('saving\n')
for (let i = 0; ; i++) await writeSavedChat(file!, chats[i % 2]!)
