/** A regular expression's source that matches this text and nothing else. To stand outside of a set. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
