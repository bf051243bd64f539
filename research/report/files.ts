import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { putInPlace } from '../../lib/util/replace-file.js'

/** Writes a file so that it is there in whole or not at all, whenever this process may end. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await putInPlace(path, [Buffer.from(content)], { mode: 0o666 })
}
