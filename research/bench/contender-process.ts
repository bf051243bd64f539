import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ChatContender, ChatSetting, ChatTurn } from './chat-contender.js'
import type { Contender, ContenderSetting } from './contender.js'
import { type ChatName, type ContenderName, makeContender } from './contenders.js'

type Method = 'start' | 'generate' | 'turn' | 'memory' | 'close'
type Question = { method: Method; args: unknown[] }
type Answer = { result?: unknown } | { failure: string }

/** A contender in a process of its own. One call at a time. The process ends with `close()`, and with this one. */
class ContenderProcess {
  readonly #name: string
  readonly #signal: AbortSignal | undefined
  #child: ChildProcess | undefined
  #errors = ''

  constructor(name: string, signal?: AbortSignal) {
    this.#name = name
    this.#signal = signal
  }

  /** Bytes of the resident set of its process. */
  async memory(): Promise<number> {
    return (await this.ask('memory')) as number
  }

  async close(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    if (this.#signal?.aborted) child.kill()
    else await this.ask('close').catch(() => child.kill())
    if (child.connected) child.disconnect()
    await ended
  }

  protected async ask(method: Method, ...args: unknown[]): Promise<unknown> {
    const child = (this.#child ??= this.#fork())
    return await new Promise((resolve, reject) => {
      const settle = () => {
        child.off('message', answered).off('close', ended).off('error', failed)
        this.#signal?.removeEventListener('abort', aborted)
      }
      const answered = (answer: Answer) => {
        settle()
        if ('failure' in answer) reject(new Error(answer.failure))
        else resolve(answer.result)
      }
      const ended = (code: number | null, signal: string | null) => {
        settle()
        reject(
          new Error(
            `its process ended with ${signal ?? `code ${code}`}: ${this.#errors.trim().split('\n').at(-1) ?? ''}`,
          ),
        )
      }
      const failed = (error: Error) => {
        settle()
        reject(error)
      }
      const aborted = () => {
        settle()
        child.kill()
        reject(this.#signal!.reason as Error)
      }
      child.on('message', answered).on('close', ended).on('error', failed)
      this.#signal?.addEventListener('abort', aborted)
      child.send({ method, args } satisfies Question, error => {
        if (error) failed(error)
      })
    })
  }

  #fork(): ChildProcess {
    const child = fork(fileURLToPath(import.meta.url), [this.#name], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4_000)
    })
    return child
  }
}

/** A contender for single tokens in a process of its own. */
export class TokenProcess extends ContenderProcess implements Contender {
  constructor(name: ContenderName, signal?: AbortSignal) {
    super(name, signal)
  }

  async start(setting: ContenderSetting): Promise<void> {
    await this.ask('start', setting)
  }

  async generate(count: number): Promise<number[]> {
    return (await this.ask('generate', count)) as number[]
  }
}

/** A contender for chats in a process of its own. */
export class ChatProcess extends ContenderProcess implements ChatContender {
  constructor(name: ChatName, signal?: AbortSignal) {
    super(name, signal)
  }

  async start(setting: ChatSetting): Promise<void> {
    await this.ask('start', setting)
  }

  async turn(text: string, maxTokens: number): Promise<ChatTurn> {
    return (await this.ask('turn', text, maxTokens)) as ChatTurn
  }
}

/** The child's side: answers one question after another until it is told to close, or the parent is gone. */
async function serve(name: string): Promise<void> {
  const contender = await makeContender(name).catch((error: unknown) => error as Error)
  const answer = (message: Answer) =>
    new Promise<void>(resolve => process.send!(message, undefined, {}, () => resolve()))
  process.on(
    'message',
    ({ method, args }: Question) =>
      void (async () => {
        try {
          if (contender instanceof Error) throw contender
          const methods = { ...bound(contender), memory: async () => process.memoryUsage.rss() } as Record<
            Method,
            (...args: unknown[]) => Promise<unknown>
          >
          await answer({ result: await methods[method](...args) })
        } catch (error) {
          await answer({ failure: error instanceof Error ? error.message : String(error) })
        }
      })(),
  )
  // Whoever asked has gone, whether by close() or by its own end.
  process.on(
    'disconnect',
    () =>
      void (async () => {
        if (!(contender instanceof Error)) await contender.close().catch(() => undefined)
        process.exit()
      })(),
  )
}

function bound(contender: Contender | ChatContender) {
  const of = contender as Contender & ChatContender
  return {
    start: (setting: ContenderSetting & ChatSetting) => of.start(setting),
    generate: (count: number) => of.generate(count),
    turn: (text: string, maxTokens: number) => of.turn(text, maxTokens),
    close: () => of.close(),
  }
}

const [, self, name] = process.argv
if (self === fileURLToPath(import.meta.url) && name !== undefined && process.send !== undefined) await serve(name)
