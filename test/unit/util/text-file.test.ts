import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFormatFile } from '../../../lib/cli/format-files.js'
import { readPrompts } from '../../../lib/cli/prompts-chat.js'
import { decodeText, readTextFile, textLines } from '../../../lib/util/text-file.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-text-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A text as editors of several systems save it. */
const encodings: [string, (text: string) => Buffer][] = [
  ['UTF-8', text => Buffer.from(text)],
  ['UTF-8 with a mark', text => Buffer.from(`\uFEFF${text}`)],
  ['UTF-16, little endian', text => Buffer.from(`\uFEFF${text}`, 'utf16le')],
  ['UTF-16, big endian', text => Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()],
]

describe.each(encodings)('%s', (_name, encode) => {
  test('is read as the same text', () => expect(decodeText(encode('Grüße, 世界\n'))).toBe('Grüße, 世界\n'))

  test.each([['\n'], ['\r\n'], ['\r']])('--prompts with lines that end with %j', end => {
    const file = join(folder, 'prompts.jsonl')
    writeFileSync(file, encode(['{"turns": ["One", "Zwei ß"]}', '', '{"turns": ["Three"]}', ''].join(end)))
    expect(readPrompts(file)).toEqual(['One', 'Zwei ß', 'Three'])
  })

  test('--json-schema and --grammar', () => {
    const file = join(folder, 'format')
    writeFileSync(file, encode('{"type": "object"}'))
    expect(readFormatFile({ jsonSchema: file })).toEqual({ responseFormat: { type: 'object' } })
    writeFileSync(file, encode('root ::= "yes" | "no"\r\n'))
    expect(readFormatFile({ grammar: file })).toEqual({ grammar: 'root ::= "yes" | "no"\r\n' })
  })
})

test('lines end as on any system', () => expect(textLines('a\r\nb\nc\rd')).toEqual(['a', 'b', 'c', 'd']))

test('what cannot be read is told as an option that is wrong', () => {
  for (const file of [folder, join(folder, 'absent'), 'a\0b']) {
    for (const read of [() => readPrompts(file), () => readFormatFile({ grammar: file })]) {
      expect(read).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
  }
})

const onUnix = process.platform === 'win32' ? describe.skip : describe
onUnix('what is no file', () => {
  test("a pipe is read to its end, as a shell's <(command) is one", () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    spawn('sh', ['-c', 'echo some words > "$0"', pipe], { stdio: 'ignore' })
    expect(readTextFile(pipe)).toBe('some words\n')
  })

  test('a device without an end is given up', () => {
    expect(() => readPrompts('/dev/zero')).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('256 MB') }),
    )
  })
})
