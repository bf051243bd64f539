import { mkdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { replaceFileSync } from '../util/replace-file.js'
import { userDataFolder } from '../util/user-data.js'
import type { Entry } from './message-composer.js'
import { plainText } from './plain-text.js'

const maxLines = 1000 // lines
const maxLineLength = 2000 // characters: what is longer fills the screen when it is brought back

const maxBytes = 4 * maxLines * maxLineLength // in UTF-8, and no file of ours has more

/** Stands for the end of a line where a message of several lines has to be one. */
const lineEnd = '\u2424'

/** What has been typed, latest first, as a line editor shows it. */
export interface LineHistory {
  readonly lines: readonly string[]
  add(line: string): void
}

/** Lines of this session alone. */
export function forgetfulHistory(): LineHistory {
  const lines: string[] = []
  return {
    lines,
    add: line => {
      prepend(lines, line)
    },
  }
}

export function historyFile(): string {
  return path.join(userDataFolder(), 'history')
}

/**
 * Lines of all sessions, in a file that only its owner may read: oldest first, at most 1,000, none twice in a row. It
 * is read again before it is written, since another terminal may have added to it.
 *
 * @param warn hears of it, once, when the file cannot be written
 */
export function keptHistory(file: string, warn: (message: string) => void): LineHistory {
  const lines = read(file)
  let failed = false
  return {
    lines,
    add(line) {
      if (!prepend(lines, line) || failed) return
      try {
        const all = read(file)
        if (prepend(all, line)) write(file, all)
      } catch (error) {
        failed = true
        warn(`The lines that you type are not kept, since ${file} cannot be written: ${(error as Error).message}`)
      }
    },
  }
}

/**
 * A message as one line, which means the same when it is brought back and entered. Undefined for one that is too long.
 */
export function historyLine({ text, asIs }: Entry): string | undefined {
  const line = (asIs && text.startsWith('/') ? `/${text}` : text).replaceAll('\n', lineEnd)
  return line.trim() === '' || line.length > maxLineLength ? undefined : line
}

/** The opposite: lines in place of the sign that stands for their ends. */
export function withLineEnds(text: string): string {
  return text.replaceAll(lineEnd, '\n')
}

function prepend(lines: string[], line: string): boolean {
  if (lines[0] === line) return false
  lines.unshift(line)
  lines.length = Math.min(lines.length, maxLines)
  return true
}

/** Without control characters, which an edited file could send to the terminal. */
function read(file: string): string[] {
  try {
    // A pipe in its place would be waited for.
    const found = statSync(file)
    if (!found.isFile() || found.size > maxBytes) return []
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(plainText)
      .filter(line => line !== '')
      .reverse()
      .slice(0, maxLines)
  } catch {
    return [] // there is none yet
  }
}

function write(file: string, lines: readonly string[]): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  replaceFileSync(file, `${lines.toReversed().join('\n')}\n`)
}
