import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { ReaderLeft } from '../../../lib/cli/failure.js'
import { forgetfulHistory } from '../../../lib/cli/line-history.js'
import { pipedChat } from '../../../lib/cli/piped-chat.js'
import { promptsChat, readPrompts } from '../../../lib/cli/prompts-chat.js'
import { terminalChat } from '../../../lib/cli/terminal-chat.js'
import { turnStatistics } from '../../../lib/cli/turn-statistics.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { FakeChat, fakeSession } from './fake-chat.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cli-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  jest.restoreAllMocks()
})

const none = turnStatistics(undefined)
const status = '[1,234 tokens seen · 64 in cache · 1,170 evicted · 40.0 tokens/s'

/** Keeps what is written. `highWaterMark: 1` makes each write wait for the drain. */
function sink(): Writable & { text(): string } {
  let all = ''
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      all += chunk.toString()
      setImmediate(done)
    },
  })
  return Object.assign(stream, { text: () => all })
}

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 20_000; round++) {
    if (condition()) return
    await sleep(5)
  }
  throw new Error('It did not come to pass within 100 s.')
}

describe('piped input', () => {
  test('each line gets an answer and a new line; blank lines none', async () => {
    const chat = new FakeChat()
    const input = new PassThrough()
    const output = sink()
    input.end('hello\r\n\n  \nhow are you')
    await pipedChat(fakeSession(chat, { maxTokens: 9 }), none, { input, output })
    expect(output.text()).toBe('you said hello\nyou said how are you\n')
    expect(chat.heard).toEqual(['hello', 'how are you'])
    expect(chat.options[0]).toEqual({ maxTokens: 9 })
  })

  test('a failure is passed on', async () => {
    const chat = new FakeChat()
    chat.failure = new StreamingLLMError('CACHE_FULL', 'full')
    const input = new PassThrough()
    input.end('hello\nand more\n')
    await expect(pipedChat(fakeSession(chat), none, { input, output: sink() })).rejects.toBe(chat.failure)
    expect(chat.heard).toEqual(['hello'])
  })
})

test('piped input that cannot be read on is told after what was read', async () => {
  const chat = new FakeChat()
  const input = new PassThrough()
  input.write('hello\n')
  const output = sink()
  const done = pipedChat(fakeSession(chat), none, { input, output })
  done.catch(() => {})
  await until(() => output.text() === 'you said hello\n')
  input.destroy(new Error('EIO'))
  await expect(done).rejects.toMatchObject({ code: 'INVALID_OPTION', message: 'chat: stdin cannot be read: EIO' })
})

describe('piped input with commands', () => {
  const pipe = async (text: string) => {
    const chat = new FakeChat()
    const [input, output, errors] = [new PassThrough(), sink(), sink()]
    input.end(text)
    const failure = await pipedChat(fakeSession(chat), none, { commands: true, input, output, errors }).catch(
      (error: Error) => error,
    )
    return { chat, failure, output: output.text(), errors: errors.text() }
  }

  test('does them, with their words on stderr, and reads messages of several lines', async () => {
    const { chat, output, errors } = await pipe(
      '/system Be short.\none\\\ntwo\n"""\n/three\n"""\n//four\n/exit\nnever\n',
    )
    expect(chat.heard).toEqual(['one\ntwo', '/three', '/four'])
    expect(output).toBe('you said one\ntwo\nyou said /three\nyou said /four\n')
    expect(errors).toBe('System prompt: Be short.\n')
  })

  test('ends at one that there is not', async () => {
    const { chat, failure } = await pipe('/undoo\nnever\n')
    expect(failure).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('did you mean /undo?') as string,
    })
    expect(chat.heard).toEqual([])
  })

  test('takes what is open at the end as it is', async () => {
    expect((await pipe('"""\nhalf a block')).chat.heard).toEqual(['half a block'])
  })

  test('without them a slash is a character like others', async () => {
    const chat = new FakeChat()
    const input = new PassThrough()
    input.end('/help\n//x\none\\\n')
    await pipedChat(fakeSession(chat), none, { input, output: sink() })
    expect(chat.heard).toEqual(['/help', '//x', 'one\\'])
  })
})

describe('a file of prompts', () => {
  const write = (text: string) => {
    const file = path.join(folder, 'prompts.jsonl')
    writeFileSync(file, text)
    return file
  }

  test('all turns of all lines are one conversation', async () => {
    const file = write('{"question_id":81,"category":"writing","turns":["a","b"]}\n\n{"turns":["c"]}\n')
    const chat = new FakeChat()
    const output = sink()
    const errors = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
    await promptsChat(chat, readPrompts(file), {}, none, output)
    expect(chat.heard).toEqual(['a', 'b', 'c'])
    expect(output.text()).toBe(['a', 'b', 'c'].map(each => `\nUSER: ${each}\n\nASSISTANT: you said ${each}\n`).join(''))
    expect(errors).toHaveBeenCalledTimes(3)
    expect(errors.mock.calls[0]![0]).toContain(status)
  })

  test.each([
    ['{"turns":["a"]}\nno json\n', ':2 is not JSON'],
    ['{"turns":"a"}', ':1 has no "turns", an array of texts'],
    ['{"turns":["a",5]}', ':1 has no "turns", an array of texts'],
    ['null', ':1 has no "turns", an array of texts'],
    ['\n\n', ' has no prompts'],
  ])('%j is refused', (content, message) => {
    expect(() => readPrompts(write(content))).toThrow(message)
  })

  test('a missing file is named', () => {
    expect(() => readPrompts(path.join(folder, 'nowhere.jsonl'))).toThrow(/ENOENT.*nowhere\.jsonl/)
  })
})

describe('statistics', () => {
  test('a JSON object a turn, there at once', async () => {
    const file = path.join(folder, 'statistics.jsonl')
    const statistics = turnStatistics(file)
    const input = new PassThrough()
    input.end('one\ntwo\n')
    await pipedChat(fakeSession(), statistics, { input, output: sink() })
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    statistics.close()
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatchObject({ turn: 2, reason: 'end', completionTokens: 4, seenTokens: 1234, generationMs: 100 })
    expect(lines[1]!.rssBytes).toBeGreaterThan(1e6)
    expect(lines[1]!.intervalsMs).toHaveLength(2)
  })
})

describe('a terminal', () => {
  function start(chat = new FakeChat(), history = forgetfulHistory()) {
    const input = new PassThrough()
    const output = sink()
    const errors = sink()
    let ended = false
    const done = terminalChat(fakeSession(chat), none, { input, output, errors }, history).finally(() => {
      ended = true
    })
    done.catch(() => {})
    const replies = () => errors.text().split(status).length - 1
    return {
      chat,
      history,
      input,
      output,
      errors,
      done,
      replied: (times: number) => until(() => replies() === times),
      type: (keys: string) => input.write(keys),
      ended: () => ended,
      signal: (turn: number) => chat.options[turn]?.signal,
    }
  }

  test('a message, its reply, a status line; Ctrl-D ends', async () => {
    const { chat, output, errors, done, type } = start()
    type('hello\r')
    await until(() => errors.text().includes(status))
    expect(output.text()).toContain('you said hello')
    type('\x04')
    await done
    expect(chat.heard).toEqual(['hello'])
  })

  test('Ctrl-C stops a reply and keeps the chat', async () => {
    const { chat, errors, done, type, ended, signal } = start()
    type('slow\r')
    await until(() => signal(0) !== undefined)
    type('\x03')
    await until(() => errors.text().includes('stopped]'))
    expect(signal(0)!.aborted).toBe(true)
    type('again\r')
    await until(() => chat.heard.length === 2)
    expect(ended()).toBe(false)
    type('\x04')
    await done
  })

  test('Ctrl-C at the prompt ends the chat when pressed twice in a row', async () => {
    const { chat, output, done, type, ended, replied } = start()
    type('\x03')
    await until(() => output.text().includes('Ctrl-C again'))
    type('hello\r')
    await replied(1)
    type('half a line\x03')
    await until(() => output.text().split('Ctrl-C again').length === 3)
    expect(ended()).toBe(false)
    type('\x03')
    await done
    expect(chat.heard).toEqual(['hello'])
  })

  test('Ctrl-D during a reply stops it and ends the chat', async () => {
    const { done, type, signal } = start()
    type('slow\r')
    await until(() => signal(0) !== undefined)
    type('\x04')
    await done
    expect(signal(0)!.aborted).toBe(true)
  })

  test('what is entered during a reply is the next message, and shown when its turn comes', async () => {
    const { chat, output, done, type, signal } = start()
    type('slow\r')
    await until(() => signal(0) !== undefined)
    type('next\r')
    await sleep(20)
    expect(output.text()).not.toContain('next')
    type('\x03')
    await until(() => chat.heard.length === 2)
    expect(chat.heard).toEqual(['slow', 'next'])
    expect(output.text()).toContain('next\n')
    type('\x04')
    await done
  })

  test('control characters of a reply do not reach the terminal', async () => {
    const { chat, output, errors, done, type } = start()
    jest.spyOn(chat, 'stream').mockImplementation(async function* () {
      yield { type: 'text', text: 'a\x1b]0;title\x07b\n\tc\x9b2J' }
      yield* new FakeChat().stream('')
    })
    type('hello\r')
    await until(() => errors.text().includes(status))
    expect(output.text()).toContain('a]0;titleb\n\tc2J')
    type('\x04')
    await done
  })

  test('what the model thinks is shown apart from what it says', async () => {
    const { chat, output, errors, done, type } = start()
    jest.spyOn(chat, 'stream').mockImplementation(async function* () {
      yield { type: 'reasoning', text: 'Hm' }
      yield { type: 'reasoning', text: ', well.' }
      yield* new FakeChat().stream('a')
    })
    type('hello\r')
    await until(() => errors.text().includes(status))
    expect(output.text()).toContain('Hm, well.\n\nyou said a')
    type('\x04')
    await done
  })

  test('a text that the model cannot read is no end', async () => {
    const { chat, errors, done, type, ended } = start()
    chat.failure = new StreamingLLMError('TOKENIZE_FAILED', 'the vocabulary cannot express it')
    type('hello\r')
    await until(() => errors.text().includes('the vocabulary cannot express it'))
    expect(ended()).toBe(false)
    chat.failure = new StreamingLLMError('CACHE_FULL', 'the cache is full')
    type('hello\r')
    await expect(done).rejects.toBe(chat.failure)
  })

  test('an output that has lost its reader ends the chat, at the prompt too', async () => {
    const { output, done, type, replied } = start()
    type('hello\r')
    await replied(1)
    output._write = (_chunk, _encoding, answer) => {
      answer(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    }
    type('x')
    await expect(done).rejects.toBeInstanceOf(ReaderLeft)
  })

  test('an input that fails, as where the terminal is gone, ends it', async () => {
    const { input, done, type, replied } = start()
    type('hello\r')
    await replied(1)
    input.destroy(new Error('EIO'))
    await expect(done).rejects.toMatchObject({ message: 'chat: stdin cannot be read: EIO' })
  })

  const up = '\x1b[A'
  const pasted = (text: string) => `\x1b[200~${text}\x1b[201~`

  test('/exit ends, and what a command says is shown', async () => {
    const { chat, errors, done, type } = start()
    type('/help\r')
    await until(() => errors.text().includes('/regenerate'))
    type('/exit\r')
    await done
    expect(chat.heard).toEqual([])
  })

  test('a command that there is not is refused, not sent', async () => {
    const { chat, errors, done, type, ended } = start()
    type('/sytem x\r')
    await until(() => errors.text().includes('There is no command /sytem; did you mean /system?'))
    expect(ended()).toBe(false)
    type('//sytem x\r')
    await until(() => chat.heard.length === 1)
    type('\x04')
    await done
    expect(chat.heard).toEqual(['/sytem x'])
  })

  test('a command that fails leaves the chat going', async () => {
    const { chat, errors, done, type } = start()
    jest.spyOn(chat, 'save').mockRejectedValue(new StreamingLLMError('SAVE_FAILED', 'no room'))
    type('/save x\r')
    await until(() => errors.text().includes('no room'))
    type('/exit\r')
    await done
  })

  test('lines that go on, blocks and pasted lines are one message each', async () => {
    const { chat, done, type, replied } = start()
    type('one\\\rtwo\r')
    await replied(1)
    type('"""\r/three\rfour\\\r"""\r')
    await replied(2)
    type(pasted('// five\r"""\r\tsix\\\r\r'))
    await sleep(20)
    expect(chat.heard).toHaveLength(2)
    type('\r')
    await until(() => chat.heard.length === 3)
    type('\x04')
    await done
    expect(chat.heard).toEqual(['one\ntwo', '/three\nfour\\', '// five\n"""\n\tsix\\'])
  })

  test('a command may have pasted lines behind it', async () => {
    const { chat, done, type } = start()
    type(`/system ${pasted('one\rtwo')}\r`)
    await until(() => chat.system !== undefined)
    type('\x04')
    await done
    expect(chat.system).toBe('one\ntwo')
  })

  test('Ctrl-C drops a message that goes on', async () => {
    const { chat, output, done, type } = start()
    type('one\\\r')
    type('\x03')
    await until(() => output.text().includes('Ctrl-C again'))
    type('two\r')
    await until(() => chat.heard.length === 1)
    type('\x04')
    await done
    expect(chat.heard).toEqual(['two'])
  })

  test('messages are remembered as a whole, and brought back as they were', async () => {
    const history = forgetfulHistory()
    history.add('from yesterday')
    const { chat, done, type, replied } = start(new FakeChat(), history)
    type('one\\\rtwo\r')
    await replied(1)
    type(`${up}\r`)
    await replied(2)
    type(`${up}${up}\r`)
    await until(() => chat.heard.length === 3)
    type('\x04')
    await done
    expect(chat.heard).toEqual(['one\ntwo', 'one\ntwo', 'from yesterday'])
    expect(history.lines).toEqual(['from yesterday', 'one\u2424two', 'from yesterday'])
  })

  test('Tab completes', async () => {
    const { chat, output, errors, done, type } = start()
    type('/he')
    type('\t')
    await until(() => output.text().includes('/help'))
    type('\r')
    await until(() => errors.text().includes('/regenerate'))
    type('/exit\r')
    await done
    expect(chat.heard).toEqual([])
  })

  test('two messages at once are answered one after the other', async () => {
    const { output, done, type, replied } = start()
    type('one\rtwo\r')
    await replied(2)
    type('\x04')
    await done
    expect(output.text()).toContain('you said onetwo\nyou said two') // the end of the line goes to stderr, with the figures
  })
})
