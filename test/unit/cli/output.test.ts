import { Writable } from 'node:stream'
import { outsideArchive } from '../../../lib/backend/asar.js'
import { isMusl } from '../../../lib/backend/musl.js'
import { progressLine } from '../../../lib/cli/bar.js'
import { plainText } from '../../../lib/cli/plain-text.js'
import { printReply, promptText, wholeOnly } from '../../../lib/cli/run.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import type { StreamEvent } from '../../../lib/events.js'
import { firstTypeScript, withModel } from '../../../scripts/package/readme.js'

class Screen {
  written = ''
  constructor(
    readonly columns = 80,
    readonly isTTY = true,
  ) {}
  write(text: string): void {
    this.written += text
  }

  /** The line as it stands after the last time it was drawn. */
  get line(): string {
    return (
      this.written
        .split('\r')
        .at(-1)
        ?.replaceAll(/\x1b\[[?\d]*[A-Za-z]/g, '') ?? ''
    )
  }
}

describe('a bar', () => {
  test('is drawn with what is done, and the time that is left at this speed', () => {
    const screen = new Screen()
    let now = 0
    const bar = progressLine(
      'Doing {bar} {percentage} % ({value} of {total}), {eta_formatted} left, {word}',
      {},
      screen,
      () => now,
    )
    bar.start(200, 0, { word: 'a' })
    expect(screen.line).toBe(`Doing ${'\u2591'.repeat(24)} 0 % (0 of 200), ? left, a`)
    now = 10_000
    bar.update(50, { word: 'b' })
    expect(screen.line).toBe(`Doing ${'\u2588'.repeat(6)}${'\u2591'.repeat(18)} 25 % (50 of 200), 30s left, b`)
    bar.stop()
    expect(screen.written.endsWith('\n\x1b[?25h')).toBe(true)
  })

  test.each([
    [0.5, 1000, '1s'],
    [0.5, 200_000, '3m20s'],
    [0.1, 434_000, '1h05m'],
  ])('%d done after %d ms: %s left', (share, elapsed, left) => {
    const screen = new Screen()
    let now = 0
    const bar = progressLine('{eta_formatted}', {}, screen, () => now)
    bar.start(1000, 0)
    now = elapsed
    bar.update(share * 1000)
    expect(screen.line).toBe(left)
  })

  test('is drawn ten times a second at most, never wraps, and may go when it is done', () => {
    const screen = new Screen(20)
    let now = 0
    const bar = progressLine('{value} {bar}', { clearOnComplete: true }, screen, () => now)
    bar.start(100, 0)
    const before = screen.written.length
    for (let i = 1; i < 50; i++) bar.update(i)
    expect(screen.written).toHaveLength(before)
    now = 100
    bar.update(50)
    expect(screen.line).toHaveLength(19)
    bar.stop()
    expect(screen.line).toBe('')
  })

  test('is nothing where there is no terminal', () => {
    const screen = new Screen(80, false)
    const bar = progressLine('{bar}', {}, screen)
    bar.start(10, 0)
    bar.update(10)
    bar.stop()
    expect(screen.written).toBe('')
  })
})

test('control characters do nothing to a terminal', () => {
  expect(plainText('a\x1b[2Jb\x07\r\nc\td\u009be\u00e9')).toBe('a[2Jb\nc\tde\u00e9')
})

function output(isTTY = false): NodeJS.WritableStream & { isTTY: boolean; text: string } {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      all.text += chunk.toString()
      done()
    },
  })
  const all = Object.assign(stream, { isTTY, text: '' })
  return all
}

const finish: StreamEvent = {
  type: 'finish',
  reason: 'end',
  usage: { promptTokens: 1, reusedTokens: 0, completionTokens: 2, seenTokens: 3, cachedTokens: 3, evictedTokens: 0 },
  timings: { promptMs: 1, generationMs: 1, tokensPerSecond: 1 },
}

async function* reply(...texts: string[]): AsyncGenerator<StreamEvent> {
  for (const text of texts) yield { type: 'text', text, tokens: [1] } as unknown as StreamEvent
  yield finish
}

async function* broken(): AsyncGenerator<StreamEvent> {
  yield* reply('half')
  throw new StreamingLLMError('DECODE_FAILED', 'it broke')
}

describe('run', () => {
  test.each([
    ['Hello\n', 'Hello'],
    ['Hello\r\n', 'Hello'],
    ['Hello\n\n', 'Hello\n'],
    ['\nHello ', '\nHello '],
    ['\n', ''],
  ])('a prompt read as %j', (read, prompt) => {
    expect(promptText(read)).toBe(prompt)
    expect(promptText(read, { raw: true })).toBe(read)
  })

  test.each([
    [['Hello', ' there'], 'Hello there\n'],
    [['Line\n'], 'Line\n'],
    [[], ''],
  ])('prints %j and a new line', async (texts, printed) => {
    const to = output()
    await printReply(reply(...texts), {}, to)
    expect(to.text).toBe(printed)
  })

  test('spares a terminal what a file gets as it is', async () => {
    const [terminal, file] = [output(true), output()]
    await printReply(reply('a\x1b[2J'), {}, terminal)
    await printReply(reply('a\x1b[2J'), {}, file)
    expect(terminal.text).toBe('a[2J\n')
    expect(file.text).toBe('a\x1b[2J\n')
  })

  describe('a reply that must follow a format', () => {
    async function* ended(
      text: string,
      reason: 'end' | 'length' | 'time' | 'stop' | 'abort',
    ): AsyncGenerator<StreamEvent> {
      yield { type: 'text', text } as StreamEvent
      yield { ...finish, reason } as StreamEvent
    }

    test.each([
      [
        '{"a',
        'length',
        { jsonSchema: 'x' },
        'the reply ended (length) before its JSON did: allow more by --max-tokens',
      ],
      ['{"a', 'time', { jsonSchema: 'x' }, 'the reply ended (time) before its JSON did'],
      [
        '{"a',
        'stop',
        { jsonSchema: 'x' },
        'the reply ended (stop) before its JSON did: a text of --stop came within it',
      ],
      [
        'yes, ',
        'length',
        { grammar: 'x' },
        'the reply ended (length) before its grammar did: allow more by --max-tokens',
      ],
    ] as const)('%j, ended by %s, is told of after it is printed', async (text, reason, flags, message) => {
      const to = output()
      await expect(printReply(wholeOnly(ended(text, reason), flags), {}, to)).rejects.toMatchObject({
        code: 'OUTPUT_INCOMPLETE',
        message: expect.stringContaining(message) as string,
      })
      expect(to.text).toBe(`${text}\n`)
    })

    test.each([
      ['{"a', 'abort', { jsonSchema: 'x' }],
      ['{"a":1}', 'length', { jsonSchema: 'x' }],
      ['yes', 'end', { grammar: 'x' }],
      ['{"a', 'length', {}],
    ] as const)('%j, ended by %s with %j, is as it should be', async (text, reason, flags) => {
      await expect(printReply(wholeOnly(ended(text, reason), flags), {}, output())).resolves.toBeUndefined()
    })
  })

  test('prints events a line each, a failure as the last of them', async () => {
    const to = output()
    await expect(printReply(broken(), { json: true }, to)).rejects.toMatchObject({ code: 'DECODE_FAILED' })
    const lines = to.text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { type: string })
    expect(lines.map(({ type }) => type)).toEqual(['text', 'finish', 'error'])
    expect(lines[2]).toEqual({ type: 'error', code: 'DECODE_FAILED', message: 'it broke' })
  })
})

test("files in Electron's archive are looked for beside it", () => {
  const inside = ['', 'app', 'resources', 'app.asar', 'node_modules', 'x.node'].join(
    process.platform === 'win32' ? '\\' : '/',
  )
  const outside = inside.replace('app.asar', 'app.asar.unpacked')
  expect(outsideArchive(inside, file => file === outside)).toBe(outside)
  expect(outsideArchive(inside, () => false)).toBe(inside)
  expect(outsideArchive('/app/node_modules/x.node', () => true)).toBe('/app/node_modules/x.node')
})

test('this C library is glibc where the addon for glibc runs', () => {
  if (process.platform === 'linux') expect(isMusl()).toBe(false)
})

test("the README's first program, with another model", () => {
  const markdown =
    "Text\n```\nnot this\n```\n```ts\nconst model = await loadModel('hf:a/b:Q4', { x: 1 })\n```\n```ts\nnor this\n```\n"
  expect(withModel(firstTypeScript(markdown), '/m.gguf')).toBe('const model = await loadModel("/m.gguf", { x: 1 })\n')
  expect(() => firstTypeScript('no program')).toThrow('no program in TypeScript')
  expect(() => withModel('const x = 1', '/m.gguf')).toThrow('does not load a model')
})
