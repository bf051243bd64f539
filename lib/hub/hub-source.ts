import { StreamingLLMError } from '../errors.js'
import type { ByteSource } from '../gguf/source.js'
import { contentUrl, describeFile, type HubFileAddress } from './hub-api.js'
import { askHub } from './hub-http.js'
import type { Hub } from './hub-settings.js'
import { withRetries } from './transient-failure.js'

/** How much is asked for at a time: the header of a model has some megabytes, most of them its vocabulary. */
const blockBytes = 2 * 1024 ** 2

/**
 * A file of a repository, of which only what is read is fetched, in blocks of 2 MiB that are kept. `close` does
 * nothing, so that what was fetched can be read again.
 *
 * Its reads throw TransientFailure where the hub stays out of reach, and StreamingLLMError MODEL_NOT_FOUND,
 * DOWNLOAD_FAILED.
 */
export function hubSource(hub: Hub, address: HubFileAddress, sizeBytes: number, signal?: AbortSignal): ByteSource {
  const blocks = new Map<number, Buffer>()
  return {
    sizeBytes,
    read: async (buffer, offset, length, position) => {
      const index = Math.floor(position / blockBytes)
      const start = index * blockBytes
      const size = Math.min(blockBytes, sizeBytes - start)
      if (size <= 0) return { bytesRead: 0 }
      const block =
        blocks.get(index) ??
        (await withRetries({ ...hub.patience, signal }, () => fetchBlock(hub, address, start, size, signal)))
      blocks.set(index, block)
      return { bytesRead: block.copy(buffer, offset, position - start, Math.min(position - start + length, size)) }
    },
    close: async () => {},
  }
}

async function fetchBlock(
  hub: Hub,
  address: HubFileAddress,
  start: number,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const what = describeFile(address)
  const exchange = await askHub(hub, contentUrl(hub, address), {
    method: 'GET',
    what,
    repo: address.repo,
    leaveHub: true,
    signal,
    headers: { range: `bytes=${start}-${start + size - 1}` },
  })
  try {
    // A server without ranges sends the whole file, and its start can be used.
    const range = /^bytes (\d+)-/.exec(exchange.headers.get('content-range') ?? '')
    const begins = exchange.status === 206 ? Number(range?.[1] ?? Number.NaN) : 0
    if (begins !== start) throw notInParts(what)
    const block = Buffer.alloc(size)
    let filled = 0
    while (filled < size) {
      const piece = await exchange.read()
      if (piece === undefined) throw notInParts(what)
      block.set(piece.subarray(0, size - filled), filled)
      filled += Math.min(piece.length, size - filled)
    }
    return block
  } finally {
    exchange.close()
  }
}

function notInParts(what: string): StreamingLLMError {
  return new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `The server does not send ${what} in parts, so its header cannot be read alone. Download the model first: streaming-llm pull, or loadModel.`,
  )
}
