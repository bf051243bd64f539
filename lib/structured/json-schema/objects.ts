import { choice, literal, nothing, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import { Problem, pathTo } from '../problem.js'
import { colon, comma } from './json-text.js'
import { keyOf, otherKey } from './other-keys.js'
import { type Conjunction, constrains, type Properties, type Shape } from './shape.js'

/** What objects and arrays ask of the compiler that they are parts of. */
export interface Compiler {
  readonly rules: GrammarRules
  /** False for what nothing fulfils. */
  isPossible(nodes: Conjunction): boolean
  /** What the schemas choose between, taken together. */
  choices(nodes: Conjunction): readonly Shape[]
  /** Values that fulfil all the schemas; `hint` goes into the names of rules. */
  value(nodes: Conjunction, hint: string): Piece
}

interface Member {
  piece: Piece
  required: boolean
}

/** Objects whose properties come in the order of the schema, unnamed ones last. */
export function objectPiece(compiler: Compiler, shape: Shape, hint: string): Piece {
  const { rules } = compiler
  const { members, others } = membersOf(compiler, shape, hint)
  const further = others === undefined ? nothing : otherMembers(compiler, shape, others, members.length)
  if (members.length === 0) return sequence(literal('{'), further, literal('}'))

  // what may follow once a property is there, from the last one backwards
  const rests: Piece[] = [
    others === undefined ? nothing : rules.repeat('member', sequence(comma(rules), others), 0, Infinity),
  ]
  for (const { piece, required } of members.slice(1).toReversed()) {
    const next = sequence(comma(rules), piece)
    rests.unshift(
      rules.rule(`${hint}-rest`, sequence(required ? next : rules.optional(`${hint}-next`, next), rests[0]!)),
    )
  }
  const firstRequired = members.findIndex(({ required }) => required)
  const firsts = firstRequired === -1 ? members : members.slice(0, firstRequired + 1)
  const contents = firsts.map(({ piece }, i) => sequence(piece, rests[i]!))
  if (firstRequired === -1) {
    if (further !== nothing) contents.push(further)
    if (shape.properties.count.min === 0) contents.push(nothing)
  }
  return sequence(literal('{'), choice(contents), literal('}'))
}

/** The properties that an object may have by name, and one by another name. */
function membersOf(
  compiler: Compiler,
  { path, properties: given }: Shape,
  hint: string,
): { members: Member[]; others?: Piece } {
  const { rules } = compiler
  const { properties, keys, closed } = withNames(compiler, given, path)
  const named = new Map(properties.named ?? [])
  for (const name of properties.required) if (!named.has(name)) named.set(name, properties.others ?? [])
  for (const [name, nodes] of named) {
    if (compiler.isPossible(nodes)) continue
    if (properties.required.has(name))
      throw new Problem(pathTo(path, 'required'), `names '${name}', for which no value is possible`)
    named.delete(name)
  }
  const open =
    !closed &&
    (properties.others === undefined
      ? named.size === 0 && properties.named === undefined
      : compiler.isPossible(properties.others))
  const required = requiredNames(properties, [...named.keys()], open, path)
  const members = Array.from(named)
    .filter(([name]) => required.has(name) || properties.count.max > required.size)
    .map(([name, nodes]) => ({
      piece: rules.rule(
        `${hint}-${name}`,
        sequence(literal(JSON.stringify(name)), colon(rules), compiler.value(nodes, name)),
      ),
      required: required.has(name),
    }))
  if (keys !== undefined && (named.size > 0 || (properties.named?.size ?? 0) > 0))
    throw new Problem(
      pathTo(path, 'propertyNames'),
      'is supported beside names of properties only where it lists names itself, by enum or const',
    )
  if (!open) return { members }
  if (keys !== undefined) {
    return {
      members,
      others: rules.rule(
        `${hint}-other`,
        sequence(keyOf(rules, keys), colon(rules), compiler.value(properties.others ?? [], `${hint}-value`)),
      ),
    }
  }
  // every name counts here, also one whose schema nothing fulfils
  const key = otherKey(rules, [...new Set([...(properties.named?.keys() ?? []), ...named.keys()])], path)
  return {
    members,
    others: rules.rule(
      `${hint}-other`,
      sequence(key, colon(rules), compiler.value(properties.others ?? [], `${hint}-value`)),
    ),
  }
}

/**
 * Properties whose names are all known, where `propertyNames` lists them: all are named then, and there are no others
 * (`closed`). Else what it says of the names, as shapes of strings; absent where it says nothing.
 */
function withNames(
  compiler: Compiler,
  properties: Properties,
  path: string,
): { properties: Properties; keys?: readonly Shape[]; closed: boolean } {
  if (properties.names === undefined) return { properties, closed: false }
  const keys = compiler.choices(properties.names).filter(({ kinds }) => kinds.has('string'))
  if (keys.some(key => key.values === undefined && !constrains(key, 'string'))) return { properties, closed: false }
  if (keys.some(({ values }) => values === undefined)) return { properties, keys, closed: false }
  const listed = new Set(keys.flatMap(({ values }) => values!.filter(value => typeof value === 'string')))
  const missing = [...properties.required].find(name => !listed.has(name))
  if (missing !== undefined)
    throw new Problem(pathTo(path, 'required'), `names '${missing}', which is none of propertyNames`)
  // named properties keep their order, and come first, as anywhere
  const names = [...[...(properties.named?.keys() ?? [])].filter(name => listed.has(name)), ...listed]
  const others = properties.others ?? []
  return {
    properties: { ...properties, named: new Map(names.map(name => [name, properties.named?.get(name) ?? others])) },
    closed: true,
  }
}

/** The names that have to be there, those included that minProperties leaves no choice about. */
function requiredNames(
  { required, count }: Properties,
  names: readonly string[],
  open: boolean,
  path: string,
): ReadonlySet<string> {
  const { min, max } = count
  if (open) {
    // the same other key may be written twice, and then counts once
    if (min > Math.max(required.size, names.length === 0 ? 1 : 0))
      throw new Problem(
        pathTo(path, 'minProperties'),
        'is not supported for an object with properties that are not named, but as 1 for one without names',
      )
    if (max < Infinity && names.length > 0)
      throw new Problem(
        pathTo(path, 'maxProperties'),
        'is not supported for an object with both named and other properties',
      )
    return required
  }
  if (min > names.length)
    throw new Problem(pathTo(path, 'minProperties'), `asks for ${min} properties, and the schema names ${names.length}`)
  if (max < names.length && max > required.size)
    throw new Problem(pathTo(path, 'maxProperties'), 'is not supported where it leaves a choice between the properties')
  if (min <= Math.max(required.size, 1)) return required
  if (min < names.length)
    throw new Problem(
      pathTo(path, 'minProperties'),
      'is not supported where it leaves a choice between the properties, but as 1',
    )
  return new Set(names)
}

/** Properties without a name in the schema, with nothing in front of them. */
function otherMembers({ rules }: Compiler, { properties: { count } }: Shape, other: Piece, named: number): Piece {
  if (count.max === 0) return nothing
  const all = sequence(
    other,
    rules.repeat('member', sequence(comma(rules), other), Math.max(count.min, 1) - 1, count.max - 1),
  )
  return named > 0 || count.min > 0 ? all : rules.optional('members', all)
}
