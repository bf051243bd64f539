import { memories } from './chats/program.js'
import type { FuzzTarget } from './target.js'

/** All targets by name. Each is loaded in the process that runs it, and nowhere else. */
export const targets: Record<string, () => Promise<FuzzTarget>> = {
  hub: async () => (await import('./targets/hub.js')).target,
  'saved-chats': async () => (await import('./targets/saved-chats.js')).target,
  adapters: async () => (await import('./targets/lora.js')).target,
  headers: async () => (await import('./targets/headers.js')).target,
  options: async () => (await import('./targets/options.js')).default,
  texts: async () => (await import('./targets/texts.js')).default,
  schemas: async () => (await import('./targets/schemas.js')).default,
  templates: async () => (await import('./targets/templates.js')).default,
  chats: async () => (await import('./chats/target.js')).chatsTarget(),
  ...Object.fromEntries(
    memories.map(memory => [`chats-${memory}`, async () => (await import('./chats/target.js')).chatsTarget(memory)]),
  ),
  grammars: async () => (await import('./targets/grammars.js')).grammars,
}

/** One of these, or of a module: `URL#export`. */
export async function loadTarget(name: string): Promise<FuzzTarget> {
  const known = targets[name]
  if (known !== undefined) return known()
  const [url, exported] = name.split('#') as [string, string]
  return ((await import(url)) as Record<string, FuzzTarget>)[exported]!
}
