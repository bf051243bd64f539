import { readdirSync } from 'node:fs'

/**
 * What a path that is being typed may become: entries of its folder, folders with a slash, hidden ones only where asked
 * for.
 */
export function fileNames(typed: string): string[] {
  const folder = typed.slice(0, typed.lastIndexOf('/') + 1)
  const start = typed.slice(folder.length)
  try {
    return readdirSync(folder === '' ? '.' : folder, { withFileTypes: true })
      .filter(({ name }) => name.startsWith(start) && (start !== '' || !name.startsWith('.')))
      .map(entry => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .sort()
  } catch {
    return [] // no such folder, or none that may be read
  }
}
