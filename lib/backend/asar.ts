import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * The real file behind one in an Electron archive. Electron lets Node's functions look into `app.asar`, but the
 * system's loader opens no library in there: packagers put such files beside it, into `app.asar.unpacked`.
 */
export function outsideArchive(file: string, exists: (file: string) => boolean = existsSync): string {
  const unpacked = file
    .split(path.sep)
    .map(part => (part.endsWith('.asar') ? `${part}.unpacked` : part))
    .join(path.sep)
  return unpacked !== file && exists(unpacked) ? unpacked : file
}
