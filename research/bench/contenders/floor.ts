import { locateLibraries } from '../../../lib/backend/locate.js'
import { defaultBatchSize, heldCells, sinkCopies } from '../../../lib/engine/cache-constants.js'
import type { Contender, ContenderSetting } from '../contender.js'
import { buildFloor } from '../floor/build.js'
import { LineProcess } from '../line-process.js'

// What the engine reserves beside the tokens of one sequence (native/engine/cache_size.h): one batch, the sinks on the
// move, and what is held of evicted tokens, in whole steps of llama.cpp's padding. With as many cells here, attention
// runs over the same padded number of them.
const cellStep = 256

/** A bare loop of `llama_decode` in C++ at the same number of filled cells: what the hardware asks for. */
export class FloorContender implements Contender {
  readonly #pool: boolean
  #process: LineProcess | undefined

  /**
   * @param options.pool whether its threads stay from decode to decode, sleeping between them; without a pool llama.cpp
   *   starts them anew for each, as in the plainest program one could write. Default: true, which is faster
   */
  constructor({ pool = true }: { pool?: boolean } = {}) {
    this.#pool = pool
  }

  async start({ model, cache, sinks, threads, fill }: ContenderSetting): Promise<void> {
    const { llama, ggml, ggmlBase, cpuBackends } = locateLibraries()
    const cells = Math.ceil((cache + sinkCopies(false) * sinks + heldCells + defaultBatchSize) / cellStep) * cellStep
    this.#process = new LineProcess(buildFloor(), [
      llama,
      ggml,
      ggmlBase,
      cpuBackends.join('\n'),
      model,
      String(cells),
      String(threads),
      this.#pool ? '1' : '0',
    ])
    await this.#process.ask(`fill ${fill.slice(0, cache + 1).join(' ')}`)
  }

  async generate(count: number): Promise<number[]> {
    if (this.#process === undefined) throw new TypeError('start() comes first')
    const { times } = JSON.parse(await this.#process.ask(`generate ${count}`)) as { times: number[] }
    return times
  }

  async close(): Promise<void> {
    await this.#process?.close()
  }
}
