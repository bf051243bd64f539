import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { RunningProgram } from '../tools/running-program.js'
import { chatML, tinyModel } from '../tools/tiny-models.js'

// The programs of examples/, as their users meet them.
const example = (name: string, ...args: string[]) => new RunningProgram(path.join('examples', `${name}.mts`), args)

/** Replies end soon. */
const brief = tinyModel('llama', { endBias: 0 })
/** Replies do not end by themselves, and a message that says so fails. */
const endless = tinyModel('llama', {
  endBias: -20,
  chatTemplate: `{% for message in messages %}{% if message['content'] == 'fail' %}{{ raise_exception('no') }}{% endif %}{% endfor %}${chatML}`,
})

// On Windows a signal ends the process, whatever it listens to.
const unlessWindows = process.platform === 'win32' ? test.skip : test

unlessWindows('chat: Ctrl-C stops the reply, and the program goes on', async () => {
  await using chat = example('chat', endless)
  await chat.until(/> $/)
  for (const line of ['Hello', 'Again']) {
    chat.say(line)
    await chat.until(/.{20}/s)
    chat.kill('SIGINT')
    await chat.until(/ \[stopped\]\n> $/)
  }
  chat.say('fail')
  await chat.until(/\n> $/)
  chat.say('')
  expect(await chat.ended).toEqual({ code: 0, signal: null })
  expect(chat.errors).toMatch(/^The chat template failed to render: no\b.*\n$/)
})

describe('server', () => {
  /** Asks the server at this address, and reads what it sends. With `leave` the client leaves. */
  async function post(url: string, content: string) {
    const leaving = new AbortController()
    const body = JSON.stringify({ messages: [{ role: 'user', content }] })
    const response = await fetch(url, { method: 'POST', body, signal: leaving.signal })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    const events = eventsOf(response)
    return { leave: () => leaving.abort(), next: async () => (await events.next()).value, events }
  }

  interface Sent {
    event: string
    data: Record<string, unknown>
  }

  async function* eventsOf(response: Response): AsyncGenerator<Sent, undefined> {
    let text = ''
    for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
      text += bytes
      const whole = text.split('\n\n')
      text = whole.pop()!
      for (const each of whole) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(each)!
        yield { event: event!, data: JSON.parse(data!) as Sent['data'] }
      }
    }
  }

  async function toEnd(events: AsyncIterable<Sent>): Promise<Sent[]> {
    const all: Sent[] = []
    for await (const each of events) all.push(each)
    return all
  }

  async function start(model: string) {
    const server = example('server', model, '0')
    const [, url] = await server.until(/POST (http:\S+)\n/)
    return { server, url: url! }
  }

  test('replies to more clients than are served at a time, each to its end', async () => {
    const { server, url } = await start(brief)
    await using _ = server
    const replies = await Promise.all(
      ['One', 'Two', 'Three', 'Four', 'Five', 'Six'].map(async each => toEnd((await post(url, each)).events)),
    )
    for (const reply of replies) {
      const { event, data } = reply.pop()!
      expect({ event, reason: data['reason'] }).toEqual({ event: 'finish', reason: 'end' })
      expect(reply.map(sent => [sent.event, typeof sent.data['text']])).toEqual(reply.map(() => ['text', 'string']))
      await server.until(/end after \d+ tokens\n/)
    }
  })

  unlessWindows('a client that leaves stops its reply, and one that waited is served', async () => {
    const { server, url } = await start(endless)
    await using _ = server
    const clients = await Promise.all(['One', 'Two', 'Three', 'Four'].map(each => post(url, each)))
    for (const client of clients) expect(await client.next()).toMatchObject({ event: 'text' })
    const fifth = await post(url, 'Five')
    clients[0]!.leave()
    await server.until(/^abort after \d+ tokens\n$/)
    expect(await fifth.next()).toMatchObject({ event: 'text' })
    expect(await (await post(url, 'fail')).next()).toMatchObject({ event: 'error', data: { code: 'TEMPLATE_FAILED' } })

    for (const body of ['', '{', 'null', '{"messages":[]}', '{"messages":[{"role":"user"}]}', ' '.repeat(1e6 + 1)]) {
      const response = await fetch(url, { method: 'POST', body })
      expect([response.status, await response.json()]).toEqual([400, { message: expect.any(String) as string }])
    }
    expect((await fetch(url)).status).toBe(404)

    const rest = Promise.allSettled([...clients.slice(1), fifth].map(({ events }) => toEnd(events)))
    server.kill('SIGTERM')
    expect(await server.ended).toEqual({ code: 0, signal: null })
    expect((await rest).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected'])
  })
})

test('tools: what the model calls, what comes of it, and an error that it is told', async () => {
  await using tools = example('tools', brief)
  expect(await tools.ended).toEqual({ code: 0, signal: null })
  const [, counted, ordered] = tools.shown.split('\n> ')
  const fruits = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, fruit]) => fruit!)
  const counts = fruits(counted!, /^\[There are (12 apples|3 pears) left\.\]$/gm)
  const failures = fruits(ordered!, /^\[failed: There are only (12 apples|3 pears) left\.\]$/gm)
  expect(counts.length).toBeGreaterThan(0)
  expect(failures.length).toBeGreaterThan(0)
  for (const each of counts) expect(counted).toContain(`[count {"fruit":"${each.split(' ')[1]}"}]\n`)
  for (const each of failures) expect(ordered).toContain(`[order {"fruit":"${each.split(' ')[1]}","pieces":`)
})

test('structured: each mail becomes a ticket', async () => {
  await using structured = example('structured', brief)
  expect(await structured.ended).toEqual({ code: 0, signal: null })
  expect(structured.shown).toMatch(
    /^((URGENT )?to (sales|repairs|accounts), about a (kettle|toaster|lamp): .{1,80}\n){2}$/u,
  )
})

unlessWindows('saved: the chat goes on, with another model too, and a damaged file is put aside', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'example-'))
  const file = path.join(folder, 'my.chat')
  try {
    await using first = example('saved', endless, file)
    await first.until(/> $/)
    first.say('Hello')
    await first.until(/.{20}/s)
    first.kill('SIGINT')
    expect(await first.ended).toEqual({ code: 0, signal: null })
    const [, reply] = /^\n> (.+)\n> \nSaved to .*\.\n$/s.exec(first.shown)!

    for (const model of [endless, brief]) {
      await using next = example('saved', model, file)
      next.endInput()
      expect(await next.ended).toEqual({ code: 0, signal: null })
      expect(next.shown).toContain(`\n> Hello\n${reply}\n\n> `)
      expect(next.errors.includes('it was saved with another model')).toBe(model === brief)
    }

    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file, bytes)
    await using afresh = example('saved', brief, file)
    afresh.endInput()
    expect(await afresh.ended).toEqual({ code: 0, signal: null })
    expect(afresh.errors).toMatch(/is damaged.*a new chat begins/s)
    expect(readFileSync(`${file}.bad`).equals(bytes)).toBe(true)
    expect(existsSync(file)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
