import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { isOtherFile, nothingDecoded, saveFailed } from '../model/command-line.js'
import { userDataFolder } from '../util/user-data.js'
import type { CommandedChat, CommandedModel } from './chat-session.js'

/** One for each model, since a chat goes on as it was with its own only. */
export function defaultChatFile(modelPath: string): string {
  return path.join(userDataFolder(), 'chats', `${path.basename(modelPath, '.gguf')}.chat`)
}

/** Saves the chat and returns where to. */
export async function saveChat(chat: Pick<CommandedChat, 'save'>, given: string): Promise<string> {
  const file = fromHome(given)
  await refuseOtherFile(file)
  if (path.dirname(file) === path.join(userDataFolder(), 'chats'))
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw saveFailed(file, error)
    })
  await chat.save(file)
  return file
}

/** Throws SAVE_FAILED if the file exists and is no saved chat, so that a mistyped name overwrites no document. */
export async function refuseOtherFile(file: string): Promise<void> {
  if (await isOtherFile(file))
    throw new StreamingLLMError('SAVE_FAILED', `${file} is no saved chat, and is left as it is; give another name`, {
      details: { path: file },
    })
}

export async function loadChat(
  model: Pick<CommandedModel, 'restoreChat'>,
  given: string,
): Promise<{ file: string; chat: CommandedChat }> {
  const file = fromHome(given)
  return { file, chat: await model.restoreChat(file) }
}

/** Says what of the file could be used. */
export function loadedText(
  file: string,
  { messages, usage, restoredFrom }: Pick<CommandedChat, 'messages' | 'usage' | 'restoredFrom'>,
): string {
  const what = `Loaded ${file}: ${messages.length} ${messages.length === 1 ? 'message' : 'messages'}, ${usage.seenTokens.toLocaleString('en-US')} tokens seen.`
  // As good as a new one, with messages or without: nothing of it has to be decoded again.
  if (restoredFrom?.what === 'messages' && restoredFrom.reason === nothingDecoded)
    return `${what} Nothing of it has been decoded yet.`
  switch (restoredFrom?.what) {
    case 'tokens':
      return `${what} Sinks and window are decoded again with the next message: ${restoredFrom.reason}.`
    case 'messages':
      return `${what} The messages are decoded again with the next one: ${restoredFrom.reason}.`
    default:
      return `${what} It goes on as if it had never stopped.`
  }
}

/** As a shell has it, which has not seen what is typed here. */
function fromHome(file: string): string {
  return /^~[/\\]/.test(file) ? path.join(homedir(), file.slice(2)) : file
}
