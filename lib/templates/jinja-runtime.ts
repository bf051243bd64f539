import { Environment, Interpreter } from '@huggingface/jinja'

// What of jinja's runtime its typings keep to themselves and metering needs: the shapes of values, and the methods by
// which the interpreter does each kind of work. The version is pinned, and a test says so when one is gone.

/** A value at run time. `type` is the name of its class. */
export interface Value {
  readonly type: string
  readonly value: unknown
  readonly builtins: ReadonlyMap<string, Value>
  /** Whether it counts as true. */
  __bool__(): { readonly value: boolean }
}

/** A node of a template's syntax tree. */
export interface TreeNode {
  readonly type: string
}

export interface FilterCall extends TreeNode {
  /** Of a filter without arguments. */
  readonly value?: unknown
  readonly callee?: TreeNode & { readonly value?: unknown }
  readonly args?: readonly TreeNode[]
}

/** What variables are found in. */
export interface Scope {
  readonly parent?: Scope | undefined
  readonly variables: ReadonlyMap<string, Value>
  setVariable(name: string, value: Value): Value
}

type Call = (args: Value[], scope: Scope) => Value

/** The interpreter's methods, one for each kind of work. All evaluation of nodes goes through `evaluate`. */
export interface OpenInterpreter {
  run(program: TreeNode): Value
  evaluate(node: TreeNode | undefined, scope: Scope): Value
  evaluateBlock(nodes: readonly TreeNode[], scope: Scope): Value
  evaluateIdentifier(node: TreeNode & { value: string }, scope: Scope): Value
  evaluateBinaryExpression(node: BinaryNode, scope: Scope): Value
  evaluateArguments(nodes: readonly TreeNode[], scope: Scope): [Value[], Map<string, Value>]
  applyFilter(operand: Value, filter: FilterCall, scope: Scope): Value
  evaluateTestExpression(node: TestNode, scope: Scope): Value
  evaluateSliceExpression(object: Value, node: TreeNode, scope: Scope): Value
  evaluateMemberExpression(node: MemberNode, scope: Scope): Value
  evaluateCallExpression(node: CallNode, scope: Scope): Value
  evaluateFor(node: ForNode, scope: Scope): Value
  bindMacroArguments(
    name: string,
    parameters: readonly TreeNode[],
    special: ReadonlySet<string>,
    args: Value[],
    scope: Scope,
  ): void
  evaluateMacro(node: TreeNode, scope: Scope): Value
  evaluateCallStatement(node: TreeNode, scope: Scope): Value
}

export interface BinaryNode extends TreeNode {
  readonly operator: { readonly value: string }
  readonly left: TreeNode
  readonly right: TreeNode
}

export interface MemberNode extends TreeNode {
  readonly object: TreeNode
  readonly property: TreeNode & { readonly value?: unknown }
  readonly computed: boolean
}

export interface CallNode extends TreeNode {
  readonly callee: TreeNode
  readonly args: readonly TreeNode[]
}

export interface TestNode extends TreeNode {
  readonly operand: TreeNode
  readonly negate: boolean
  readonly test: { readonly value: string }
}

export interface ForNode extends TreeNode {
  /** A `SelectExpression` where the loop has a condition. */
  readonly iterable: TreeNode & { readonly lhs?: TreeNode; readonly test?: TreeNode }
  readonly loopvar: TreeNode & { readonly value: unknown }
  readonly body: readonly TreeNode[]
  readonly defaultBlock: readonly TreeNode[]
}

export const BaseInterpreter = Interpreter as unknown as new (scope: Scope) => OpenInterpreter

/** The methods that `MeteredInterpreter` relies on, for the test that they are there. */
export const hookedMethods: readonly (keyof OpenInterpreter)[] = [
  'run',
  'evaluate',
  'evaluateBlock',
  'evaluateIdentifier',
  'evaluateBinaryExpression',
  'evaluateArguments',
  'applyFilter',
  'evaluateTestExpression',
  'evaluateSliceExpression',
  'evaluateMemberExpression',
  'evaluateCallExpression',
  'evaluateFor',
  'evaluateMacro',
  'evaluateCallStatement',
  'bindMacroArguments',
]

const classOf = (value: unknown): unknown => new Environment().set('value', value).constructor

/** The runtime's classes, which it doesn't export. */
export const StringValue = classOf('') as new (text: string) => Value & { value: string }
export const IntegerValue = classOf(1) as new (value: number) => Value
export const FloatValue = classOf(0.5) as new (value: number) => Value
export const BooleanValue = classOf(true) as new (value: boolean) => Value
export const NullValue = classOf(null) as new (value: null) => Value
export const UndefinedValue = classOf(undefined) as new () => Value
export const ArrayValue = classOf([]) as new (items: readonly Value[]) => Value
export const ObjectValue = classOf({}) as new (entries: ReadonlyMap<Key, Value>) => Value
export const FunctionValue = classOf(() => {}) as new (call: Call) => Value
export const TupleValue = new BaseInterpreter(newScope()).evaluate(
  { type: 'TupleLiteral', value: [] } as TreeNode,
  newScope(),
).constructor as new (
  items: readonly Value[],
) => Value

/** A scope within another. */
export function newScope(parent?: Scope): Scope {
  return new Environment(parent as Environment | undefined) as unknown as Scope
}

/** A key of a mapping. Jinja itself knows texts only. */
export type Key = string | number

export const isString = (value: Value): value is Value & { value: string } => value.type === 'StringValue'
export const isArray = (value: Value): value is Value & { value: readonly Value[] } =>
  value.type === 'ArrayValue' || value.type === 'TupleValue'
export const isFunction = (value: Value): value is Value & { value: Call } => value.type === 'FunctionValue'
/** Objects, namespaces and keyword arguments. */
export const isMapping = (value: Value): value is Value & { value: ReadonlyMap<Key, Value> } =>
  value.value instanceof Map
export const isUndefined = (value: Value): boolean => value.type === 'UndefinedValue'
export const isNone = (value: Value): boolean => value.type === 'NullValue'
export const isInteger = (value: Value): value is Value & { value: number } => value.type === 'IntegerValue'
export const isFloat = (value: Value): value is Value & { value: number } => value.type === 'FloatValue'
export const isBoolean = (value: Value): value is Value & { value: boolean } => value.type === 'BooleanValue'
export const isTrue = (value: Value): boolean => value.__bool__().value

/** The number that a value is to Python, to which true is 1; undefined where it is none. */
export const numberOf = (value: Value | undefined): number | undefined =>
  value !== undefined && (isInteger(value) || isFloat(value) || isBoolean(value)) ? Number(value.value) : undefined
