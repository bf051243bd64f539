import { StreamingLLMError } from '../errors.js'
import type { StreamEvent } from '../events.js'
import { list, nearest } from '../options/check.js'
import { samplingSchemas } from '../options/sampling.js'
import { cacheText } from './cache-drawing.js'
import type { ChatSession } from './chat-session.js'
import { fileNames } from './file-names.js'
import { columns } from './format.js'
import { defaultChatFile, loadChat, loadedText, saveChat } from './saved-chats.js'
import { changeSetting, settingsText } from './session-settings.js'
import { sessionStatistics } from './session-statistics.js'

/** What comes of a line: words, a reply, or the end. */
export interface CommandOutcome {
  say?: string
  reply?: (signal?: AbortSignal) => AsyncIterable<StreamEvent>
  ends?: true
}

export interface ChatCommand {
  name: string
  /** What may follow the name, as the help shows it. */
  usage: string
  help: string
  act(session: ChatSession, argument: string, width: number): CommandOutcome | Promise<CommandOutcome>
}

const commands: readonly ChatCommand[] = [
  { name: 'help', usage: '', help: 'this list', act: () => ({ say: helpText() }) },
  { name: 'system', usage: '[text]', help: 'show the system prompt, or change it; "none" takes it away', act: system },
  { name: 'regenerate', usage: '', help: 'another reply in place of the last one', act: regenerate },
  { name: 'undo', usage: '[count]', help: 'take the last exchange back, or so many', act: undo },
  { name: 'save', usage: '[file]', help: 'save the chat with its cache', act: save },
  { name: 'load', usage: '[file]', help: 'go on with a saved chat in place of this one', act: load },
  {
    name: 'stats',
    usage: '',
    help: 'tokens, speed, memory, model and device',
    act: session => ({ say: sessionStatistics(session) }),
  },
  { name: 'cache', usage: '', help: 'what the cache holds: sinks, window, whole messages', act: cache },
  { name: 'set', usage: '[name [value]]', help: 'show or change a sampling option; "none" forgets it', act: set },
  { name: 'exit', usage: '', help: 'end the chat', act: () => ({ ends: true }) },
]

/** The command of this name. Throws INVALID_OPTION, with the nearest one, where there is none. */
export function findCommand(name: string): ChatCommand {
  const found = commands.find(command => command.name === name)
  if (found !== undefined) return found
  const names = commands.map(command => command.name)
  const longer = names.filter(each => name !== '' && each.startsWith(name))
  const near = (longer.length > 0 ? longer : nearest(name, names)).map(each => `/${each}`)
  const help = near.length > 0 ? `did you mean ${list(near, 'or')}?` : '/help lists the commands.'
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `There is no command /${name.slice(0, 40)}; ${help} A message that begins with a slash is written with two.`,
    { details: { command: name, suggestions: near } },
  )
}

/** What a line that is being typed may become, and the part of it that is meant: for the Tab key. */
export function completions(line: string): [string[], string] {
  const option = /^\/set +(\S*)$/.exec(line)?.[1]
  if (option !== undefined)
    return [
      Object.keys(samplingSchemas)
        .filter(name => name.startsWith(option))
        .map(name => `${name} `),
      option,
    ]
  const file = /^\/(?:save|load) +(.*)$/.exec(line)?.[1]
  if (file !== undefined) return [fileNames(file), file]
  if (!/^\/[a-z]*$/.test(line)) return [[], line]
  const possible = commands.filter(({ name }) => `/${name}`.startsWith(line))
  return [possible.map(({ name, usage }) => `/${name}${usage === '' ? '' : ' '}`), line]
}

function helpText(): string {
  return [
    columns(commands.map(({ name, usage, help }) => [`/${name}${usage === '' ? '' : ` ${usage}`}`, help])),
    '',
    'A line that ends with a backslash goes on. Lines between two of """ are one message',
    'as they stand, and so is what is pasted. A message that begins with a slash is',
    'written with two. Tab completes commands and names of files; Ctrl-C stops a',
    'reply; Ctrl-D ends the chat.',
  ].join('\n')
}

async function system({ chat }: ChatSession, text: string): Promise<CommandOutcome> {
  if (text !== '') await chat.setSystem(text === 'none' ? undefined : text)
  return { say: chat.system === undefined ? 'There is no system prompt.' : `System prompt: ${chat.system}` }
}

/** With a seed of its own, since with the same one the reply would be the same. */
function regenerate(session: ChatSession): CommandOutcome {
  const { seed } = session.options
  const next = seed === undefined ? Math.floor(Math.random() * (2 ** 32 - 1)) : (seed + 1) % (2 ** 32 - 1)
  if (seed !== undefined) session.options = { ...session.options, seed: next }
  return { reply: signal => session.chat.regenerate({ ...session.options, seed: next, signal }) }
}

async function undo({ chat }: ChatSession, argument: string): Promise<CommandOutcome> {
  const exchanges = argument === '' ? 1 : Number(argument)
  if (!Number.isSafeInteger(exchanges) || exchanges < 1)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `/undo: a whole number of at least 1 says how many exchanges, got ${argument}`,
    )
  const removed = await chat.undo(exchanges)
  if (removed.length === 0) return { say: 'Nothing to take back is in the window.' }
  const rest = chat.messages.at(-1)
  return {
    say: `Taken back: ${removed.length} ${removed.length === 1 ? 'message' : 'messages'}. ${rest === undefined ? 'The chat begins anew.' : `The last one now: ${beginning(rest.content)}`}`,
  }
}

async function save({ chat, model }: ChatSession, argument: string): Promise<CommandOutcome> {
  return { say: `Saved to ${await saveChat(chat, chatFile(model, argument))}` }
}

/**
 * Quotes are for shells, and habit puts them around a name with blanks; a file that is really called so is out of
 * reach.
 */
function chatFile(model: ChatSession['model'], argument: string): string {
  return argument === '' ? defaultChatFile(model.path) : argument.replace(/^(["'])(.+)\1$/s, '$2')
}

async function load(session: ChatSession, argument: string): Promise<CommandOutcome> {
  const { file, chat } = await loadChat(session.model, chatFile(session.model, argument))
  const before = session.chat
  session.chat = chat
  session.last = undefined
  await before.close()
  return { say: loadedText(file, chat) }
}

function cache({ chat: { limits, usage, conversation } }: ChatSession, _: string, width: number): CommandOutcome {
  return { say: cacheText({ limits, usage, messages: conversation.log.present.map(({ message }) => message) }, width) }
}

function set(session: ChatSession, argument: string): CommandOutcome {
  const [, name = '', value = ''] = /^(\S*)\s*(.*)$/s.exec(argument) ?? []
  if (name !== '') session.options = changeSetting(session.options, name, value, session.model)
  return { say: settingsText(session.options) }
}

function beginning(text: string): string {
  const line = [...text.replaceAll(/\s+/g, ' ').trim()]
  return line.length <= 60 ? line.join('') : `${line.slice(0, 57).join('')}...`
}
