import { JobRunner, type TokenCounts } from '../engine/job-runner.js'
import type { NativeJob, NativeSequence, NativeSequenceOptions } from '../engine/native.js'
import type { SequenceSource } from '../engine/sequence-source.js'
import type { Tokenizer } from '../engine/tokenizer.js'
import { StreamingLLMError } from '../errors.js'
import type { ChatMessage, LoggedMessage } from '../messages.js'
import type { ParsedChatOptions, SamplingOptions } from '../options/parse.js'
import { withAnswers } from '../tools/call-answers.js'
import { Pace } from '../util/pace.js'
import type { ChatFormat } from './chat-format.js'
import { type LogMark, MessageLog } from './message-log.js'
import { openingMark } from './opening-mark.js'
import { withPin } from './pinned-system.js'
import {
  commonPrefixLength,
  join,
  nextPrompt,
  openingTokens,
  type PromptContext,
  type PromptTokens,
  turnPrompt,
  wholePrompt,
} from './prompt-tokens.js'
import { isRewritten, withoutReasoning } from './rewritten-reply.js'
import type { SavedChat } from './saved-chat.js'
import { type LedgerState, TokenLedger } from './token-ledger.js'

/** What a conversation needs from its model, and its options. */
export interface ChatContext {
  tokenizer: Tokenizer
  sequences: SequenceSource
  format: ChatFormat
  options: ParsedChatOptions
  /** What the model's file says about sampling. */
  presets: SamplingOptions
  warn: (message: string) => void
}

interface ConversationState {
  system: string | undefined
  /** With the sizes that a pin makes. */
  options: ParsedChatOptions
  sizes: NativeSequenceOptions
  log: MessageLog
  native: NativeSequence
  counts?: TokenCounts
  ledger?: Partial<LedgerState>
}

/** Where a conversation stands between two turns, for going back there. */
export interface Standing {
  readonly log: LogMark
  readonly ledger: LedgerState
  readonly counts: Readonly<TokenCounts>
}

/** Why there is nothing but messages: the chat had not had a turn, so nothing was lost. */
export const nothingDecoded = 'nothing of it had been decoded'

/** Why there are nothing but tokens: nothing was lost by saving it. */
export const waitedAlready = 'they waited to be decoded again when it was saved'

/** Why the messages alone are of use: what the model was told is in the cache, or has left it. */
const otherTools = 'it was saved with other tools'

/** What of a saved chat could be used. */
export type RestoredFrom = { what: 'cache' } | { what: 'tokens' | 'messages'; reason: string }

/**
 * The messages of a chat and their tokens in one native sequence: what a turn has to decode, what the cache still holds
 * of the history, and how both change when the history is changed. Knows nothing of replies. To be used while holding
 * the turn of its runner.
 */
export class Conversation {
  readonly runner: JobRunner
  readonly log: MessageLog
  readonly #context: ChatContext
  #system: string | undefined
  #native: NativeSequence
  #options: ParsedChatOptions
  #sizes: NativeSequenceOptions
  readonly #ledger: TokenLedger

  private constructor(
    context: ChatContext,
    { system, options, sizes, log, native, counts, ledger }: ConversationState,
  ) {
    this.#context = context
    this.#system = system
    this.#options = options
    this.#sizes = sizes
    this.log = log
    this.#native = native
    this.runner = new JobRunner(native, counts)
    this.#ledger = new TokenLedger(this.runner.counts, ledger)
  }

  /** From its options: nothing is decoded before the first turn. */
  static begin(context: ChatContext): Conversation {
    const { options } = context
    const [first, ...rest] = options.messages
    const takesSystem = options.system === undefined && first?.role === 'system'
    const log = new MessageLog(options.keepMessages === 'all')
    for (const message of takesSystem ? rest : options.messages) log.add(message, 0)
    return Conversation.#make(context, takesSystem ? first!.content : options.system, log)
  }

  static #make(
    context: ChatContext,
    system: string | undefined,
    log: MessageLog,
    given: Partial<ConversationState> = {},
  ): Conversation {
    const { sequences } = context
    const { options = withPin(context, system), ...more } = given
    const sizes = sequences.limits(options)
    // Last, so that nothing that throws leaves it open.
    return new Conversation(context, { system, options, sizes, log, native: sequences.open(sizes), ...more })
  }

  /** The same history, to go on from in another way. */
  fork(): Conversation {
    const native = this.#context.sequences.fork(this.#native)
    return new Conversation(this.#context, {
      system: this.#system,
      options: this.#options,
      sizes: this.#sizes,
      log: this.log.clone(),
      native,
      counts: this.runner.counts,
      ledger: this.#ledger.state,
    })
  }

  /** All that restore() needs. */
  async save(): Promise<SavedChat> {
    const { sequences, options } = this.#context
    const { messages: _, tools: __, ...kept } = options
    const fingerprint = await sequences.fingerprint().catch((cause: unknown) => {
      throw new StreamingLLMError('SAVE_FAILED', `the chat could not be saved: ${(cause as Error).message}`, { cause })
    })
    const { state = new Uint8Array() } = await this.runner.finish({ type: 'save' })
    const { begun, skipped, seenBefore } = this.#ledger.state
    return {
      model: fingerprint,
      cache: sequences.cacheKind,
      system: this.#system,
      options: kept,
      ...(begun ? { mark: openingMark(this.#context, this.#system) } : {}),
      sizes: this.#sizes,
      begun,
      skipped,
      seenBefore,
      counts: { ...this.runner.counts },
      log: this.log.save(),
      state,
    }
  }

  /**
   * A conversation as it was saved: with its cache, with its tokens alone, which are decoded again, or with its
   * messages alone. Says which, and why.
   */
  static async restore(
    context: ChatContext,
    saved: SavedChat,
  ): Promise<{ conversation: Conversation; from: RestoredFrom }> {
    const { sequences } = context
    const { system, sizes, counts, skipped, seenBefore, begun } = saved
    const log = new MessageLog(context.options.keepMessages === 'all', saved.log)
    const pinned = withPin(context, system)
    const byMessages = (reason: string) => ({
      conversation: Conversation.#make(context, system, log, {
        options: pinned,
        ledger: { skipped, seenBefore: begun ? counts.seenTokens : seenBefore },
      }),
      from: { what: 'messages', reason } as const,
    })
    if (saved.model !== (await sequences.fingerprint())) return byMessages('it was saved with another model')
    if (!begun) return byMessages(nothingDecoded)
    const current = openingMark(context, system)
    const { mark = current } = saved
    if (mark.template !== current.template) return byMessages('it was saved with another chat template')
    const isChanged = mark.told !== current.told || mark.opening !== current.opening
    // Some templates tell of the tools further on.
    if (isChanged && mark.opening === current.opening) return byMessages(otherTools)
    // Of another size, as where the model is loaded with larger batches; or of none that a sequence can have.
    if (!sequences.fits(sizes))
      return byMessages('its sinks and window are not ones that this model can have as it is loaded')
    if (log.present.some(({ end }, i, all) => end > counts.seenTokens || end < (all[i - 1]?.end ?? 0)))
      return byMessages('its messages do not lie within its tokens')
    let native: NativeSequence
    try {
      native = sequences.open(sizes)
    } catch (error) {
      if (StreamingLLMError.isInstance(error) && error.code === 'WINDOW_TOO_LARGE') return byMessages(error.message)
      throw error
    }
    const options = { ...pinned, sinks: sizes.sinks, window: sizes.window }
    const conversation = new Conversation(context, {
      system,
      options,
      sizes,
      log,
      native,
      ledger: { skipped, seenBefore, begun },
    })
    try {
      const sameCache = saved.cache === sequences.cacheKind
      const { reason } = await conversation.runner.finish({
        type: 'restore',
        state: saved.state,
        tokensAlone: !sameCache,
      })
      if (isChanged && !(await conversation.#pinInstead(mark.tokens, system, pinned))) {
        conversation.close()
        return byMessages(otherTools)
      }
      if (sameCache && reason === 'done') return { conversation, from: { what: 'cache' } }
      if (reason === 'waiting') return { conversation, from: { what: 'tokens', reason: waitedAlready } }
      return {
        conversation,
        from: {
          what: 'tokens',
          reason: sameCache
            ? 'llama.cpp could not read its cache'
            : `its cache is of another kind (${saved.cache}, and here it is ${sequences.cacheKind})`,
        },
      }
    } catch (error) {
      conversation.close()
      if (StreamingLLMError.isInstance(error) && error.code === 'INVALID_OPTION') return byMessages(error.message)
      throw error
    }
  }

  get system(): string | undefined {
    return this.#system
  }

  get sizes(): Readonly<NativeSequenceOptions> {
    return this.#sizes
  }

  /** Tokens of the conversation: seen, in the cache, evicted. */
  get usage(): TokenCounts {
    return this.#ledger.usage
  }

  /**
   * Tokens of the new messages, with all that must come before them in the cache; `ends` counts from its start. What
   * the cache holds of another wording of the history has been cut off. Throws `Left` where `pace` does.
   */
  async prepare(messages: readonly LoggedMessage[], pace = new Pace()): Promise<PromptTokens> {
    const context = { ...this.#context, pace }
    const { template } = this.#context.format
    if (this.#ledger.begun && template.incremental && !this.#isRewritten()) {
      const { seenTokens } = this.runner.counts
      const { tokens, ends, turns } = await nextPrompt(context, this.#system, messages, {
        opened: this.#isOpened(),
        previous: this.log.present.at(-1)?.message,
      })
      this.#assertFits(tokens.length)
      return { tokens, turns, ends: ends.map(end => seenTokens + end) }
    }
    if (this.#ledger.begun) {
      const prepared = template.incremental
        ? await this.#fromLastExchange(context, messages)
        : await this.#fromDifference(context, messages)
      if (prepared !== undefined) return prepared
      this.#ledger.giveUp(this.runner.counts.seenTokens)
    }
    return this.#fromStart(context, messages)
  }

  /** Decodes messages; where the last is no reply, up to where the next begins. Those that fail have never been. */
  async add(given: readonly LoggedMessage[]): Promise<void> {
    const messages = withAnswers(this.log.present.at(-1)?.message, given)
    const since = this.standing
    try {
      const { tokens, turns, ends } = await this.prepare(messages)
      messages.forEach((message, i) => this.log.add(message, ends[i]!))
      await this.runner.finish({ type: 'append', tokens: Int32Array.from(tokens), turns: Int32Array.from(turns) })
    } catch (error) {
      await this.rollBack(since)
      throw error
    }
    const { evictedTokens } = this.runner.counts
    if (evictedTokens > 0) this.leave(evictedTokens)
  }

  /** Whether what the cache holds ends with the opening of a reply. */
  #isOpened(): boolean {
    const last = this.log.present.at(-1)
    return last !== undefined && last.message.role !== 'assistant'
  }

  /** Whether the last reply has another form once another turn follows. */
  #isRewritten(): boolean {
    const last = this.log.present.at(-1)?.message
    return last !== undefined && isRewritten(this.#context.format, last)
  }

  /**
   * The last exchange as the template writes it when another turn follows, and that turn. Undefined where the cache
   * cannot go back so far.
   */
  async #fromLastExchange(
    context: PromptContext,
    messages: readonly LoggedMessage[],
  ): Promise<PromptTokens | undefined> {
    const present = this.log.present
    const before = present.slice(0, -1).findLastIndex(({ message }) => message.role === 'assistant')
    const exchange = present.slice(before + 1).map(({ message }) => message)
    if (before < 0 && this.log.leftCount > 0) return undefined
    const reply = messages.findIndex(({ role }, at) => at > 0 && role === 'assistant')
    const turn = messages.slice(0, reply < 0 ? undefined : reply)
    const next = await turnPrompt(context, this.#system, turn, exchange.at(-1))
    const both = withoutReasoning(context.format, [...exchange, ...turn])
    const wanted =
      before < 0
        ? await wholePrompt(context, this.#system, both, true)
        : await turnPrompt(context, this.#system, both, present[before]!.message)
    // The new turn is the end of it, word for word.
    const replyEnd = wanted.tokens.length - next.tokens.length
    wanted.ends = turn.map(() => wanted.tokens.length)
    wanted.turns = next.turns.map(at => replyEnd + at)
    join(wanted, await nextPrompt(context, this.#system, messages.slice(turn.length), { opened: true }))

    const start = before < 0 ? 0 : present[before]!.end
    const { evictedTokens } = this.runner.counts
    const from = start - (start === 0 ? 0 : evictedTokens)
    if (from < 0 || (start === 0 && evictedTokens > 0)) return undefined
    const common = commonPrefixLength((await this.keptTokens()).subarray(from), wanted.tokens)
    this.#assertFits(wanted.tokens.length - common)
    if (!(await this.#cut(start + common))) return undefined
    this.log.renumber([...present.slice(0, -1).map(({ end }) => Math.min(end, start + common)), start + replyEnd])
    return {
      tokens: wanted.tokens.slice(common),
      turns: wanted.turns.map(at => at - common).filter(at => at >= 0),
      ends: wanted.ends.map(end => start + end),
    }
  }

  /**
   * The whole conversation as the template writes it now, from the first difference on. Undefined where that pays
   * nothing.
   */
  async #fromDifference(context: PromptContext, messages: readonly LoggedMessage[]): Promise<PromptTokens | undefined> {
    const earlier = this.log.present.map(({ message }) => message)
    const wanted = await wholePrompt(context, this.#system, [...earlier, ...messages])
    const kept = await this.keptTokens()
    const { evictedTokens } = this.runner.counts
    const { sinks } = this.#sizes
    // Behind the sinks the window goes on somewhere in what is wanted: where most of it is the same.
    const at =
      evictedTokens === 0
        ? { wanted: 0, kept: 0 }
        : { wanted: bestOffset(kept.subarray(sinks), wanted.tokens, sinks), kept: sinks }
    if (commonPrefixLength(kept.subarray(0, at.kept), wanted.tokens) < at.kept) return undefined
    const common = commonPrefixLength(kept.subarray(at.kept), wanted.tokens.slice(at.wanted))
    if (common === 0) return undefined
    const tokens = wanted.tokens.slice(at.wanted + common)
    this.#assertFits(tokens.length)
    const offset = at.kept + evictedTokens - at.wanted
    if (!(await this.#cut(at.wanted + common + offset))) return undefined
    const ends = wanted.ends.map(end => end + offset)
    this.log.renumber(ends)
    return { tokens, turns: [], ends: ends.slice(earlier.length) }
  }

  async #fromStart(context: PromptContext, messages: readonly LoggedMessage[]): Promise<PromptTokens> {
    if (this.runner.counts.seenTokens > 0) await this.#cut(0)
    const { options } = this.#context
    const earlier = this.log.present.map(({ message }) => message)
    const { tokens, ends, turns } = await wholePrompt(context, this.#system, [...earlier, ...messages])
    const reply = earlier.findLastIndex(({ role }) => role === 'assistant')
    const history = reply < 0 ? 0 : ends[reply]!
    // Of a long history only what the cache would still hold is decoded; what is said now goes through it whole.
    const { sinks, window, policy, byTurn } = this.#sizes
    let surplus =
      policy === 'dense' || options.restore === 'all'
        ? 0
        : Math.max(0, Math.min(tokens.length - sinks - window, history - sinks))
    if (surplus > 0 && byTurn === true)
      surplus = (turns.find(turn => turn >= sinks + surplus) ?? sinks + surplus) - sinks
    tokens.splice(sinks, surplus)
    const shifted = ends.map(end => end - surplus)
    this.#assertFits(tokens.length)
    this.#ledger.begin(history, surplus)
    this.log.renumber(shifted)
    if (surplus > 0) this.leave(0)
    return {
      tokens,
      turns: turns.map(turn => turn - surplus).filter(turn => turn >= sinks),
      ends: shifted.slice(earlier.length),
    }
  }

  /** A dense cache that has no room for the turn refuses it before it leaves a trace. */
  #assertFits(coming: number): void {
    const { policy, window } = this.#sizes
    const { cachedTokens } = this.runner.counts
    if (policy !== 'dense' || cachedTokens + coming <= window) return
    throw new StreamingLLMError(
      'CACHE_FULL',
      `the dense policy has room for ${window} tokens; ${cachedTokens} are there and this turn adds ${coming}: use policy 'streaming', which goes on forever, or a larger window`,
      { details: { window, cachedTokens, coming } },
    )
  }

  /** The messages that have gone with the native sequence's first `evicted` evictions and had not been told before. */
  leave(evicted: number): ChatMessage[] {
    return this.log.leave(this.#sizes.sinks + evicted)
  }

  /** All tokens that are kept, sinks first. */
  async keptTokens(): Promise<Int32Array> {
    return (await this.runner.finish({ type: 'readTokens' })).tokens ?? new Int32Array()
  }

  /**
   * Goes back to the first `count` messages of the history, which this conversation then holds as these. False, and
   * nothing is changed, where the last of them is not in the window any more.
   */
  async truncateTo(count: number): Promise<boolean> {
    const { log } = this
    if (count <= log.leftCount) return false
    const later = log.digest.count - count
    if (later > 0) await this.removeLast(later)
    return true
  }

  /**
   * The last messages, which are in the window, have never been. What the cache holds before them stays. Returns them.
   * Where it fails to be cut, they stay in the log too.
   */
  async removeLast(count: number): Promise<ChatMessage[]> {
    if (count > 0 && this.#ledger.begun) {
      const { present } = this.log
      const end = present[present.length - count - 1]?.end
      if (end === undefined || !(await this.#cut(end))) this.#ledger.giveUp(end ?? this.runner.counts.evictedTokens)
    }
    return this.log.removeLast(count)
  }

  get standing(): Standing {
    return {
      log: this.log.mark(),
      ledger: this.#ledger.state,
      counts: { ...this.runner.counts },
    }
  }

  /**
   * What has come since has never been: its messages are gone, and what the cache holds of them. What they pushed out
   * of the window stays out, as after `removeLast`; where they pushed out all there was, the messages of then are
   * decoded again.
   */
  async rollBack(since: Standing): Promise<void> {
    this.log.removeLast(Math.min(this.log.digest.count - since.log.count, this.log.present.length))
    const end = this.log.present.at(-1)?.end
    try {
      if (this.#ledger.begun && end !== undefined && (await this.#cut(end))) {
        this.leave(this.runner.counts.evictedTokens)
        return
      }
    } catch {
      // Nothing can be decoded now: all is, as soon as it can be.
    }
    this.#beginAnew(since)
  }

  /** The messages are those of then, and all of them are to be decoded with the next turn. */
  #beginAnew(since: Standing): void {
    this.log.rollBackTo(since.log)
    this.#ledger.rollBackTo(since.ledger, since.counts)
  }

  /** Takes the last reply out of the history. The function brings it back, where nothing has been added since. */
  async removeReply(): Promise<() => Promise<void>> {
    const before = this.standing
    const kept = this.#ledger.begun ? await this.keptTokens() : new Int32Array()
    await this.removeLast(1)
    const cutOff = this.#ledger.begun
    const { seenTokens } = this.runner.counts
    return async () => {
      // Where the reply was not cut off the cache, it was not in it as it was then.
      if (!cutOff || !this.#ledger.begun) return this.#beginAnew(before)
      const tokens = kept.slice(kept.length - (before.counts.seenTokens - seenTokens))
      try {
        await this.runner.finish({ type: 'add', tokens })
      } catch {
        // The engine may have got them all the same.
        if (this.runner.counts.seenTokens !== before.counts.seenTokens) return this.#beginAnew(before)
      }
      this.log.rollBackTo(before.log)
      this.leave(this.runner.counts.evictedTokens)
    }
  }

  /**
   * Another system prompt, or none. Where it is pinned and can be, it alone is decoded; else the kept messages are,
   * with the next turn.
   */
  async setSystem(system: string | undefined): Promise<void> {
    const options = withPin(this.#context, system)
    const present = openingTokens(this.#context, this.#system)
    if (this.#ledger.begun && (await this.#pinInstead(present.length, system, options))) return
    const sizes = this.#context.sequences.limits(options)
    this.#beginWith(this.#openAnother(sizes))
    this.#system = system
    this.#options = options
    this.#sizes = sizes
  }

  /**
   * Decodes another opening, where the `present` one, of so many tokens, is all that the sinks are, and the other one
   * would be. False where it is not, or they cannot be replaced in the cache.
   */
  async #pinInstead(present: number, system: string | undefined, options: ParsedChatOptions): Promise<boolean> {
    const sizes = this.#context.sequences.limits(options)
    const before = this.#sizes
    const opening = openingTokens(this.#context, system)
    const pinned = before.policy === 'streaming' && before.sinks === present && sizes.sinks === opening.length
    if (!pinned || sizes.sinks + sizes.window !== before.sinks + before.window) return false
    if (!(await this.#replaceSinks(opening))) return false
    this.#system = system
    this.#options = options
    this.#sizes = sizes
    this.log.shift(sizes.sinks - before.sinks)
    this.leave(this.runner.counts.evictedTokens)
    return true
  }

  /**
   * A sequence of other sizes. Where there is none beside the present one, that is closed; where there is none even so,
   * one as it was takes its place.
   */
  #openAnother(sizes: NativeSequenceOptions): NativeSequence {
    const { sequences } = this.#context
    try {
      return sequences.open(sizes)
    } catch (error) {
      if (!StreamingLLMError.isInstance(error) || error.code !== 'NO_SEQUENCE_LEFT') throw error
    }
    this.#native.close()
    try {
      return sequences.open(sizes)
    } catch (error) {
      this.#beginWith(sequences.open(this.#sizes))
      throw error
    }
  }

  /** The next turn decodes the history in this sequence. */
  #beginWith(native: NativeSequence): void {
    if (this.#ledger.begun) this.#ledger.giveUp(this.runner.counts.seenTokens)
    this.#native = native
    this.runner.replace(native)
  }

  /** False where what is to stay has been evicted. What fails leaves all as it was, or to be decoded anew. */
  async #cut(keep: number): Promise<boolean> {
    const { seenTokens } = this.runner.counts
    if (keep === seenTokens) return true
    try {
      return await this.#tryJob({ type: 'cut', keep })
    } catch (error) {
      // What was to go has gone, though the messages are still there.
      if (this.#ledger.begun && this.runner.counts.seenTokens !== seenTokens) this.#ledger.giveUp(seenTokens)
      throw error
    }
  }

  /** False where the sinks cannot be replaced in the cache. What fails leaves all as it was, or to be decoded anew. */
  async #replaceSinks(tokens: readonly number[]): Promise<boolean> {
    try {
      return await this.#tryJob({ type: 'replaceSinks', tokens: Int32Array.from(tokens) })
    } catch (error) {
      const kept = await this.keptTokens().catch(() => undefined) // of one that has been closed meanwhile
      const isDone = kept !== undefined && commonPrefixLength(kept, tokens) === tokens.length
      if (isDone) this.#beginWith(this.#openAnother(this.#sizes))
      throw error
    }
  }

  async #tryJob(job: NativeJob): Promise<boolean> {
    try {
      await this.runner.finish(job)
      return true
    } catch (error) {
      if (StreamingLLMError.isInstance(error) && error.code === 'EVICTED') return false
      throw error
    }
  }

  close(): void {
    this.runner.close()
  }
}

/** Where in `wanted`, from `min` on, the tokens go on alike for longest. */
function bestOffset(kept: Int32Array, wanted: readonly number[], min: number): number {
  let best = { at: min, length: 0 }
  for (let at = min; at < wanted.length - best.length; at++) {
    if (wanted[at] !== kept[0]) continue
    let length = 0
    while (length < kept.length && wanted[at + length] === kept[length]) length++
    if (length > best.length) best = { at, length }
  }
  return best.at
}
