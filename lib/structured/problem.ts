/**
 * What is wrong with a schema or a grammar, and where, before it is known which function's caller is to be told.
 * The functions that a caller sees turn it into a `StreamingLLMError`.
 */
export class Problem extends Error {
  /**
   * `where` is a path into the schema as a caller would write it, or empty for the whole; `line` is the grammar's, from
   * 1.
   */
  constructor(
    readonly where: string,
    message: string,
    readonly line?: number,
  ) {
    super(message)
  }
}

/** The path of `key` within what is at `path`: `properties.age`, `anyOf[0]`, `properties["a b"]`. */
export function pathTo(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  if (!/^[\w$-]{1,60}$/.test(key)) return `${path}[${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}...` : key)}]`
  return path === '' ? key : `${path}.${key}`
}
