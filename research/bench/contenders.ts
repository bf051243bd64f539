import type { ChatContender } from './chat-contender.js'
import type { Contender } from './contender.js'

// Imported in the process that runs it only: two of them cannot have their libraries in one process.
const contenders = {
  floor: async (): Promise<Contender> => new (await import('./contenders/floor.js')).FloorContender(),
  ours: async (): Promise<Contender> => new (await import('./contenders/ours.js')).OurContender(),
  recompute: async (): Promise<Contender> => new (await import('./contenders/recompute.js')).RecomputeContender(),
  'node-llama-cpp': async (): Promise<Contender> =>
    new (await import('./contenders/node-llama-cpp.js')).NodeLlamaCppContender(),
  'llama-server': async (): Promise<Contender> =>
    new (await import('./contenders/llama-server.js')).LlamaServerContender(),
} as const

const chats = {
  'our-chat': async (): Promise<ChatContender> => new (await import('./contenders/our-chat.js')).OurChat(),
  'node-llama-cpp-chat': async (): Promise<ChatContender> =>
    new (await import('./contenders/node-llama-cpp-chat.js')).NodeLlamaCppChat(),
  'llama-server-chat': async (): Promise<ChatContender> =>
    new (await import('./contenders/llama-server-chat.js')).LlamaServerChat(),
} as const

export type ContenderName = keyof typeof contenders
export type ChatName = keyof typeof chats

/** A contender's own methods, to be called in its own process. */
export async function makeContender(name: string): Promise<Contender | ChatContender> {
  const make = ({ ...contenders, ...chats } as Record<string, (() => Promise<Contender | ChatContender>) | undefined>)[
    name
  ]
  if (make === undefined) throw new Error(`there is no contender ${name}`)
  return await make()
}

/** What reports call them. */
export const contenderTitles: Record<ContenderName | ChatName, string> = {
  floor: 'floor (llama_decode in C++)',
  ours: 'streaming-llm',
  recompute: 'streaming-llm, recompute',
  'node-llama-cpp': 'node-llama-cpp evaluate',
  'llama-server': 'llama-server --context-shift',
  'our-chat': 'streaming-llm chat',
  'node-llama-cpp-chat': 'node-llama-cpp chat',
  'llama-server-chat': 'llama-server chat',
}
