// What the command line needs of chats beside the public API.

export { nothingDecoded } from '../chat/conversation.js'
export { parseGenerateOptions } from '../chat/parse-options.js'
export { isOtherFile, saveFailed } from '../chat/saved-chat.js'
