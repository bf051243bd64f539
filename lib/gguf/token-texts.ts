import { ByteReader } from './byte-reader.js'
import type { ModelHeader } from './check.js'
import { tokensKey } from './header.js'
import { arrayLength } from './metadata.js'
import { openFile } from './open.js'
import type { OpenSource } from './source.js'

/**
 * The texts of some tokens of a model's vocabulary, as they stand in its file: headers keep none, since there are
 * hundreds of thousands. Ids that the vocabulary does not have are left out.
 */
export async function tokenTexts(
  header: ModelHeader,
  ids: readonly number[],
  openSource: OpenSource = openFile,
): Promise<Map<number, string>> {
  const wanted = new Set(ids.filter(id => id >= 0 && id < arrayLength(header.metadata, tokensKey)))
  const texts = new Map<number, string>()
  if (wanted.size === 0) return texts
  const source = await openSource(header.path)
  try {
    const reader = new ByteReader(source, header.path, source.sizeBytes, header.tokensPosition)
    for (let id = 0; texts.size < wanted.size; id++) {
      if (!reader.has(8)) await reader.need(8)
      const length = reader.takeStringLength(`token ${id}`)
      if (wanted.has(id)) texts.set(id, await reader.text(length))
      else reader.skip(length)
    }
    return texts
  } finally {
    await source.close()
  }
}
