import type { Shape } from './shape.js'

/** One schema as it was read: what it asks for itself, and the schemas that it is put together from. */
export interface Node {
  /** Different for every schema, so that the same ones can be recognised. */
  readonly id: number
  /** Where the schema is, as a caller would write it; empty for the whole. */
  readonly path: string
  /** `undefined` for a schema that nothing fulfils. */
  own: Shape | undefined
  /** What `$ref` names, yet to be looked up. */
  reference?: string
  allOf: readonly Node[]
  anyOf?: readonly Node[]
  oneOf?: readonly Node[]
}
