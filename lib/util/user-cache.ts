import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where this user's programs keep what they can get again, and of that the folder for one kind of things of ours. */
export function userCacheFolder(kind: string): string {
  const base =
    process.env['XDG_CACHE_HOME'] ||
    (process.platform === 'darwin'
      ? join(homedir(), 'Library', 'Caches')
      : process.platform === 'win32'
        ? process.env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local')
        : join(homedir(), '.cache'))
  return join(base, 'streaming-llm', kind)
}
