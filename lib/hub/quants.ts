import { posix } from 'node:path'
import { isSafePath } from './reference.js'
import { parseSplitName } from './split-files.js'

// The names that llama.cpp's quantize tool gives its types, plus the UD- that marks a publisher's own mixtures of them.
const quantPattern =
  /(?<=^|[-._])(?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|BF16|FP?(?:16|32)|MXFP4(?:_[A-Z]+)?)(?=$|[-.])/gi

/**
 * The model files among `files` that carry `quant` as a whole token of their name, in whichever case; of split ones the
 * first part. More than one means that the quant does not tell them apart.
 */
export function filesOfQuant(files: readonly string[], quant: string): string[] {
  const wanted = quant.toUpperCase()
  const models = modelFiles(files)
  const exact = models.filter(file => quantOf(file) === wanted)
  if (exact.length > 0) return exact
  // Q4_K_XL finds UD-Q4_K_XL, and a token that is not among the known types finds a file that bears it.
  return models.filter(file => baseName(file).toUpperCase().split(/[-.]/).includes(wanted))
}

/** The quants there are among `files`, in upper case, sorted. */
export function quantsAmong(files: readonly string[]): string[] {
  const quants = modelFiles(files)
    .map(quantOf)
    .filter(quant => quant !== undefined)
  return [...new Set(quants)].sort()
}

/** Without image projectors, which belong to a model but are none. */
function modelFiles(files: readonly string[]): string[] {
  return files.filter(
    file =>
      /\.gguf$/i.test(file) &&
      isSafePath(file) &&
      !/mmproj/i.test(posix.basename(file)) &&
      (parseSplitName(file)?.part ?? 1) === 1,
  )
}

/** The quant in a file's name, in upper case: the last one, since a model's own name comes before. */
export function quantOf(file: string): string | undefined {
  return baseName(file).match(quantPattern)?.at(-1)?.toUpperCase()
}

function baseName(file: string): string {
  return posix.basename(parseSplitName(file)?.stem ?? file.slice(0, -'.gguf'.length))
}
