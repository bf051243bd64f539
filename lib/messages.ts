/** Who said something. Templates of some models know more roles than these. */
export type Role = 'system' | 'user' | 'assistant' | (string & {})

/** One message of a conversation, as chat templates and the common HTTP interfaces have it. */
export interface ChatMessage {
  role: Role
  content: string
}
