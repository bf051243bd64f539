import { randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a file so that it is there in whole or not at all, whenever this process may end. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.${process.pid}.${randomUUID()}`
  await writeFile(unfinished, content, { flush: true })
  await rename(unfinished, path)
}
