// Figures of the cache that several rooms reckon with. native/engine/ and native/speculation/ have those of the second
// half as well; test/native/estimate-memory.test.ts compares what comes of them.

export const defaultSinks = 4

/** Tokens that a sequence keeps at most where no size is asked for. */
export const maxDefaultTokens = 4096

export const defaultBatchSize = 128

/** llama.cpp keeps metadata of each cell; for this many it takes some 400 MB, whatever the model. */
export const maxCells = 2 ** 22

/** Larger than any number of tokens: the sinks stay where they are, or no rebase comes. */
export const never = 2 ** 30

/**
 * How far positions may go beyond a rebase that is due, besides a batch: what is generated until the reader has caught
 * up.
 */
export const rebaseSlack = 64

/** Cells that a sequence has for what leaves its window, so that leaving a reply can take it back. */
export const heldCells = 64

/**
 * How many copies of the sinks a sequence has cells for: those on the move; with a recurrent state, those of two
 * checkpoints too.
 */
export const sinkCopies = (hasState: boolean): number => (hasState ? 3 : 1)

/**
 * Ids of llama.cpp's that a sequence takes: its own, for sinks on the move, for held cells; or, with a state, two
 * checkpoints.
 */
export const idsPerSequence = (hasState: boolean): number => (hasState ? 4 : 3)

/** Drafts that speculation tries at once. */
export const maxDrafts = 15

/** The least `cacheTokens` for which there is a streaming chat: one without sinks and with a window of one token. */
export function minCacheTokens(batchSize = defaultBatchSize): number {
  return batchSize + heldCells + 1
}
