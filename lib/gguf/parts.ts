import { StreamingLLMError } from '../errors.js'
import { malformed } from './failures.js'
import { quoted, type RawHeader } from './header.js'
import { checkLayout } from './layout.js'
import { openFile, readModelFile } from './open.js'
import type { OpenSource } from './source.js'

const partName = /-(\d{5})-of-(\d{5})\.gguf$/

/**
 * Reads the other parts of a model that is split into several files, which lie beside the first, and checks that they
 * are there, whole and belong together. Returns the headers of all parts; of one file, only that.
 */
export async function readParts(first: RawHeader, openSource: OpenSource = openFile): Promise<RawHeader[]> {
  const count = partCount(first)
  const parts = [first]
  if (count < 2) return parts
  if (partName.exec(first.path)?.[0] !== suffix(0, count)) {
    throw new StreamingLLMError(
      'MODEL_NOT_FOUND',
      `${first.path} is the first of ${count} parts of a model, and its name must end in ${suffix(0, count)} for the others to be found. Give all parts their names back.`,
      { details: { path: first.path, parts: count } },
    )
  }
  for (let index = 1; index < count; index++) {
    parts.push(await readPart(first.path.replace(partName, suffix(index, count)), index, count, openSource))
  }
  checkTogether(parts)
  return parts
}

function partCount(header: RawHeader): number {
  const entry = header.entries.get('split.count')
  if (entry === undefined) return 1
  if (entry.type !== 'uint16') throw malformed(header.path, '"split.count" is no uint16')
  const count = Number(entry.value)
  if (count > 1 && header.entries.get('split.no')?.type !== 'uint16')
    throw malformed(header.path, 'it is split, and "split.no" is missing or no uint16')
  return count
}

function suffix(index: number, count: number): string {
  return `-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`
}

async function readPart(path: string, index: number, count: number, openSource: OpenSource): Promise<RawHeader> {
  const header = await readModelFile(path, openSource)
  const number = header.entries.get('split.no')
  if (number?.type !== 'uint16' || Number(number.value) !== index) {
    throw malformed(path, `by its name it is part ${index + 1} of ${count}, and by its header it is not`)
  }
  checkLayout(header)
  return header
}

/** Each tensor must be in one part only, and all that the first part announces must be there. */
function checkTogether(parts: readonly RawHeader[]): void {
  const names = new Set<string>()
  for (const { path, tensors } of parts) {
    for (const name of tensors.keys()) {
      if (names.has(name)) throw malformed(path, `tensor ${quoted(name)} is in another part too`, { tensor: name })
      names.add(name)
    }
  }
  const [first] = parts
  const announced = first!.entries.get('split.tensors.count')
  if (announced?.type !== 'int32' || Number(announced.value) !== names.size) {
    throw malformed(
      first!.path,
      `its ${parts.length} parts hold ${names.size} tensors, not as many as it announces; they may be of different models`,
    )
  }
}
