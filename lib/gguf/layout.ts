import { malformed, truncated } from './failures.js'
import { quoted, type RawHeader } from './header.js'

/**
 * Checks that the tensors' data lie one after another, as llama.cpp demands, and within the file. Throws
 * `GGUF_MALFORMED` for a gap or an overlap and `GGUF_TRUNCATED` where the file ends too early.
 */
export function checkLayout(header: RawHeader): void {
  const { path, tensors, alignment, dataOffset, sizeBytes } = header
  let next = 0
  let end = 0
  for (const { name, offset, byteLength } of tensors.values()) {
    if (offset !== next) {
      const problem =
        offset % alignment !== 0
          ? `which is no multiple of ${alignment}`
          : offset < next
            ? 'within the tensor before it'
            : 'which leaves a gap'
      throw malformed(path, `the data of tensor ${quoted(name)} begin at ${offset}, ${problem}; ${next} was expected`, {
        tensor: name,
        offset,
        expectedOffset: next,
      })
    }
    end = dataOffset + next + byteLength
    next += Math.ceil(byteLength / alignment) * alignment
    if (!Number.isSafeInteger(next))
      throw malformed(path, `its tensors up to ${quoted(name)} take an impossible number of bytes`, { tensor: name })
  }
  if (end > sizeBytes) throw truncated(path, 'the data of its tensors', end, sizeBytes)
}
