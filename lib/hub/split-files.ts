const partPattern = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/is

/** What the name of a split GGUF's part says, as llama.cpp's gguf-split writes it. */
export interface SplitName {
  /** The path up to the part's number, its folder included. */
  stem: string
  /** Which part it is, from 1. */
  part: number
  /** How many parts there are. */
  parts: number
}

/** The split that a path's name belongs to, or undefined for a file that stands alone. */
export function parseSplitName(path: string): SplitName | undefined {
  const match = partPattern.exec(path)
  if (!match) return undefined
  const [, stem = '', part, parts] = match
  const name = { stem, part: Number(part), parts: Number(parts) }
  return name.part >= 1 && name.part <= name.parts ? name : undefined
}

/** All files of the model that `path` belongs to, first part first: `[path]` itself unless it is split. */
export function allParts(path: string): string[] {
  const split = parseSplitName(path)
  if (!split) return [path]
  const extension = path.slice(-'.gguf'.length)
  const digits = (n: number) => String(n).padStart(5, '0')
  return Array.from(
    { length: split.parts },
    (_, index) => `${split.stem}-${digits(index + 1)}-of-${digits(split.parts)}${extension}`,
  )
}
