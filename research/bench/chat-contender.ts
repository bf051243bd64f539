/** What a chat is to run on, the same for all that are compared. */
export interface ChatSetting {
  /** Path of a GGUF file whose chat template is used. */
  model: string
  /** Tokens that the context holds. */
  cache: number
  /** Threads that llama.cpp computes on. */
  threads: number
  /** The system message. Default: none. */
  system?: string
}

/** What one turn took, as the chat's user sees it. */
export interface ChatTurn {
  /**
   * Milliseconds from the call until the first piece of the reply's text; the whole turn's where the reply is empty.
   */
  firstTokenMs: number
  /** Milliseconds from the call until the reply was complete. */
  totalMs: number
  /** Tokens in the reply. */
  tokens: number
}

/** One way to hold a long chat. Greedy sampling, f16 cache, flash attention on, everywhere. */
export interface ChatContender {
  start(setting: ChatSetting): Promise<void>
  /** The user says `text`; the reply is cut off after `maxTokens` tokens. Turns follow each other, never overlap. */
  turn(text: string, maxTokens: number): Promise<ChatTurn>
  /** Ends what start() began: child processes, too. */
  close(): Promise<void>
}
