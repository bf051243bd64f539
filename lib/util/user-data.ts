import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where this user's programs keep what is theirs and cannot be got again, and of that the folder for ours. */
export function userDataFolder(): string {
  const base =
    process.env['XDG_DATA_HOME'] ||
    (process.platform === 'darwin'
      ? join(homedir(), 'Library', 'Application Support')
      : process.platform === 'win32'
        ? process.env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local')
        : join(homedir(), '.local', 'share'))
  return join(base, 'streaming-llm')
}
