import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const names = [
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HF_TOKEN_PATH',
  'HF_HUB_OFFLINE',
  'XDG_CACHE_HOME',
]

/** An empty HF_HOME of a test's own, with no other setting of the hub in force. `restore` undoes it. */
export async function tempHome(endpoint?: string): Promise<{ home: string; restore: () => Promise<void> }> {
  const before = names.map(name => [name, process.env[name]] as const)
  for (const name of names) delete process.env[name]
  const home = await mkdtemp(join(tmpdir(), 'streaming-llm-models-'))
  process.env['HF_HOME'] = home
  if (endpoint !== undefined) process.env['HF_ENDPOINT'] = endpoint
  return {
    home,
    restore: async () => {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      await rm(home, { recursive: true, force: true })
    },
  }
}
