/**
 * Text of a prompt in pieces. `special` pieces are to be tokenized with special tokens recognised: every special token
 * named in them was written by the template. The other pieces name special tokens that people wrote, and must be
 * tokenized as plain text, each piece for itself.
 */
export interface PromptPiece {
  text: string
  special: boolean
}

/** What one turn adds to the prompt. */
export interface TurnPrompt {
  /**
   * The end of the reply before it, such as `<|im_end|>`, then the turn: its messages, and the opening of the reply.
   */
  pieces: PromptPiece[]
  /** At which character of them the turn begins. */
  turnAt: number
}

/** The text of all pieces together. */
export function piecesText(pieces: readonly PromptPiece[]): string {
  let text = ''
  for (const piece of pieces) text += piece.text
  return text
}

/** The pieces of `text` between two offsets, where the sorted, disjoint `plain` ranges are what people wrote. */
export function cutPieces(text: string, plain: readonly TextRange[], from = 0, to = text.length): PromptPiece[] {
  const pieces: PromptPiece[] = []
  const add = (start: number, end: number, special: boolean) => {
    if (end <= start) return
    const last = pieces.at(-1)
    const part = text.slice(start, end)
    if (last?.special === special) last.text += part
    else pieces.push({ text: part, special })
  }
  let at = from
  for (const range of plain) {
    if (range.end <= at) continue
    if (range.start >= to) break
    add(at, range.start, true)
    add(Math.max(at, range.start), Math.min(range.end, to), false)
    at = Math.min(range.end, to)
  }
  add(at, to, true)
  return pieces
}

/** The first `length` characters of pieces. */
export function firstPieces(pieces: readonly PromptPiece[], length: number): PromptPiece[] {
  const first: PromptPiece[] = []
  for (const { text, special } of pieces) {
    if (length <= 0) break
    first.push({ text: text.slice(0, length), special })
    length -= text.length
  }
  return first
}

/** Part of a text, in UTF-16 code units, without its end. */
export interface TextRange {
  start: number
  end: number
}
