import type { ToolDefinitions } from '../tools/tool-definitions.js'
import { isObject, parseJson } from '../util/json.js'
import type { ReplyPart } from './reply-parts.js'

/** What calls are read with. */
export interface CallContext {
  readonly tools: ToolDefinitions
  /** What is wrong with arguments that are a JSON object, as a sentence; undefined where nothing is. */
  check(name: string, args: Record<string, unknown>): string | undefined
  /** Names of tools by which a model says that it calls none. */
  readonly noCalls?: readonly string[]
  emit(part: ReplyPart): void
  /** Numbers and names the next call. */
  next(): { index: number; id: string }
}

/** A call that is being read: what is known of it so far, and the parts that come of it. */
export class PartialCall {
  name: string | undefined
  writtenId: string | undefined
  readonly #context: CallContext
  #started: { index: number; id: string } | undefined
  // What was read, in pieces: joined once, at the end.
  readonly #raw: string[] = []
  readonly #arguments: string[] = []
  #failure: string | undefined

  constructor(context: CallContext) {
    this.#context = context
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Adds to the call as it was written. */
  add(raw: string): void {
    if (raw !== '') this.#raw.push(raw)
  }

  /** The tool's name is there: a known tool's call is reported from now on. */
  begin(name: string): void {
    this.name ??= name
    if (this.name !== name || this.#started !== undefined || this.failed || this.#isNone) return
    if (!Object.hasOwn(this.#context.tools, name)) return this.fail(`There is no tool named ${JSON.stringify(name)}.`)
    this.#started = this.#context.next()
    this.#context.emit({ type: 'tool-call-start', ...this.#started, name })
    for (const text of this.#arguments) this.#report(text)
  }

  /** Adds to the arguments' JSON text. */
  write(text: string): void {
    if (text === '') return
    this.#arguments.push(text)
    if (this.#started !== undefined) this.#report(text)
  }

  /** Makes the call an invalid one. The first reason counts. */
  fail(reason: string): void {
    this.#failure ??= reason
  }

  get #isNone(): boolean {
    return this.name !== undefined && this.#context.noCalls?.includes(this.name) === true
  }

  /** Reports the call, as what it is. */
  finish(): void {
    if (this.#isNone) return
    if (this.#started !== undefined && !this.failed && this.#arguments.length === 0) this.write('{}')
    const raw = this.#raw.join('')
    if (this.#started === undefined) this.fail('The call names no tool.')
    const parsed = this.failed ? undefined : parseJson(this.#arguments.join(''))
    if (parsed === undefined) this.fail('The call is not valid JSON.')
    if (parsed !== undefined && !isObject(parsed.value)) this.fail('The arguments of the call are no JSON object.')
    const wrong = this.failed ? undefined : this.#context.check(this.name!, parsed!.value as Record<string, unknown>)
    if (wrong !== undefined) this.fail(wrong)
    if (this.#failure !== undefined) {
      this.#context.emit({
        type: 'invalid-tool-call',
        raw,
        reason: this.#failure,
        ...(this.name === undefined ? {} : { name: this.name }),
        ...this.#started,
      })
      return
    }
    this.#context.emit({
      type: 'tool-call',
      ...this.#started!,
      name: this.name!,
      arguments: parsed!.value as Record<string, unknown>,
      ...(this.writtenId === undefined ? {} : { writtenId: this.writtenId }),
      raw,
    })
  }

  #report(text: string): void {
    this.#context.emit({ type: 'tool-call-arguments', index: this.#started!.index, text })
  }
}
