import { Environment, Interpreter } from '@huggingface/jinja'

// What of jinja's runtime its typings keep to themselves and metering needs: the shapes of values, and the methods by
// which the interpreter does each kind of work. The version is pinned, and a test says so when one is gone.

/** A value at run time. `type` is the name of its class. */
export interface Value {
  readonly type: string
  readonly value: unknown
  readonly builtins: ReadonlyMap<string, Value>
  toString(): string
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

type Scope = Environment
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
  evaluateTestExpression(node: TreeNode & { operand: TreeNode }, scope: Scope): Value
  evaluateSliceExpression(object: Value, node: TreeNode, scope: Scope): Value
  evaluateMemberExpression(node: MemberNode, scope: Scope): Value
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

export interface ForNode extends TreeNode {
  readonly iterable: TreeNode & { readonly lhs?: TreeNode }
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
  'evaluateFor',
  'evaluateMacro',
  'evaluateCallStatement',
  'bindMacroArguments',
]

const classOf = (value: unknown): unknown => new Environment().set('value', value).constructor

/** The runtime's classes, which it doesn't export. */
export const StringValue = classOf('') as new (text: string) => Value
export const FunctionValue = classOf(() => {}) as new (call: Call) => Value

export const isString = (value: Value): value is Value & { value: string } => value.type === 'StringValue'
export const isArray = (value: Value): value is Value & { value: readonly Value[] } =>
  value.type === 'ArrayValue' || value.type === 'TupleValue'
export const isFunction = (value: Value): value is Value & { value: Call } => value.type === 'FunctionValue'
/** Objects, namespaces and keyword arguments. */
export const isMapping = (value: Value): value is Value & { value: ReadonlyMap<string, Value> } =>
  value.value instanceof Map
