import type { Environment } from '@huggingface/jinja'
import {
  BaseInterpreter,
  type BinaryNode,
  type FilterCall,
  type ForNode,
  FunctionValue,
  isArray,
  isFunction,
  isMapping,
  isString,
  type MemberNode,
  StringValue,
  type TreeNode,
  type Value,
} from './jinja-runtime.js'
import {
  elementSteps,
  lengthOf,
  listSteps,
  methodSteps,
  searchSteps,
  sortSteps,
  spendEquality,
  spendIndenting,
  spendJoining,
  spendReplacing,
  spendSplitting,
  spendWriting,
  textAt,
  textSteps,
} from './value-work.js'
import type { WorkBudget } from './work-budget.js'

/** A node whose value is known: an operand that was looked at before jinja's own code gets it. */
class Known implements TreeNode {
  readonly type = 'Known'

  constructor(readonly known: Value) {}
}

/** An exception, with all that it costs. */
const jumpSteps = 20
/** Scopes and variables that each round of a loop makes. */
const roundSteps = 8
/** Levels of scopes in which one step looks for a variable. */
const scopesPerStep = 16

/**
 * Jinja's interpreter, where each node costs steps of a budget, and each operation what it costs by the size of what it
 * is given, before it is done. So a template ends after the same work on every machine, and builds nothing of a size
 * that would end the process.
 */
export class MeteredInterpreter extends BaseInterpreter {
  readonly #budget: WorkBudget

  constructor(scope: Environment, budget: WorkBudget) {
    super(scope)
    this.#budget = budget
  }

  override evaluate(node: TreeNode | undefined, scope: Environment): Value {
    if (node instanceof Known) return node.known
    this.#budget.spend(node?.type === 'Break' || node?.type === 'Continue' ? jumpSteps : 1)
    const value: Value | undefined = super.evaluate(
      node?.type === 'ObjectLiteral' ? this.#knownEntries(node, scope) : node,
      scope,
    )
    // What there is none of, such as the first of an empty list, is undefined to a template, and not to us.
    return value ?? super.evaluate(undefined, scope)
  }

  /** Keys are hashed. */
  #knownEntries(node: TreeNode, scope: Environment): TreeNode {
    const entries = [...(node as TreeNode & { value: Map<TreeNode, TreeNode> }).value].map(([key, value]) => {
      const known = this.evaluate(key, scope)
      this.#budget.spend(textSteps(lengthOf(known)))
      return [new Known(known), new Known(this.evaluate(value, scope))] as const
    })
    return { type: node.type, value: new Map(entries) } as TreeNode
  }

  override evaluateBlock(nodes: readonly TreeNode[], scope: Environment): Value {
    let text = ''
    for (const node of nodes) {
      const value = this.evaluate(node, scope)
      if (value.type === 'NullValue' || value.type === 'UndefinedValue') continue
      if (isArray(value) || isMapping(value)) spendWriting(this.#budget, value)
      text += value.toString()
      this.#budget.fit(text.length)
    }
    return new StringValue(text)
  }

  override evaluateIdentifier(node: TreeNode & { value: string }, scope: Environment): Value {
    const name = node.value
    let depth = 0
    for (let each: Environment | undefined = scope; each !== undefined; each = each.parent) {
      const value = each.variables.get(name) as Value | undefined
      this.#budget.spend(depth++ / scopesPerStep)
      if (value === undefined) continue
      // Each scope has its own function `namespace`, which takes texts of two characters for pairs.
      return name === 'namespace' && isFunction(value)
        ? this.#metered(value, args => this.#spendNamespace(args))
        : value
    }
    return super.evaluate(undefined, scope)
  }

  #spendNamespace([source]: readonly Value[]): void {
    if (source === undefined) return
    if (isMapping(source)) return this.#budget.spend(elementSteps(source.value.size))
    if (!isArray(source)) return
    for (const pair of source.value) {
      this.#budget.spend(elementSteps(1 + lengthOf(pair)) + (isArray(pair) ? textSteps(lengthOf(pair.value[0])) : 0))
    }
  }

  /** The function, which costs something before each call. */
  #metered(
    original: Value & { value: (args: Value[], scope: Environment) => Value },
    spend: (args: readonly Value[]) => void,
  ): Value {
    return new FunctionValue((args, scope) => {
      spend(args)
      return original.value(args, scope)
    })
  }

  override evaluateBinaryExpression(node: BinaryNode, scope: Environment): Value {
    const operator = node.operator.value
    // The second operand may not be wanted.
    if (operator === 'and' || operator === 'or') return super.evaluateBinaryExpression(node, scope)
    const left = this.evaluate(node.left, scope)
    const right = this.evaluate(node.right, scope)
    this.#spendOperator(operator, left, right)
    return super.evaluateBinaryExpression(
      { type: node.type, operator: node.operator, left: new Known(left), right: new Known(right) },
      scope,
    )
  }

  #spendOperator(operator: string, left: Value, right: Value): void {
    const budget = this.#budget
    switch (operator) {
      case '==':
      case '!=':
        return spendEquality(budget, left, right)
      case '+':
        if (isArray(left) && isArray(right)) return budget.spend(listSteps(left.value.length + right.value.length))
        return this.#spendConcatenation(left, right)
      case '~':
        return this.#spendConcatenation(left, right)
      case 'in':
      case 'not in':
        if (isArray(right)) budget.spend(right.value.length * (1 + textSteps(lengthOf(left))))
        else if (isString(left) && isString(right)) budget.spend(searchSteps(right.value, left.value))
        else budget.spend(textSteps(lengthOf(left)))
    }
  }

  /** Texts are joined without being copied; lists are written. */
  #spendConcatenation(left: Value, right: Value): void {
    for (const value of [left, right]) if (isArray(value)) spendWriting(this.#budget, value)
    this.#budget.fit(lengthOf(left) + lengthOf(right))
  }

  override evaluateArguments(nodes: readonly TreeNode[], scope: Environment): [Value[], Map<string, Value>] {
    const given = super.evaluateArguments(nodes, scope)
    this.#budget.spend(given[0].length + given[1].size)
    return given
  }

  override bindMacroArguments(
    name: string,
    parameters: readonly TreeNode[],
    special: ReadonlySet<string>,
    args: Value[],
    scope: Environment,
  ): void {
    this.#budget.spend(parameters.length + args.length)
    super.bindMacroArguments(name, parameters, special, args, scope)
  }

  override evaluateMacro(node: TreeNode, scope: Environment): Value {
    this.#budget.spend(2 * treeSize(node))
    return super.evaluateMacro(node, scope)
  }

  override evaluateCallStatement(node: TreeNode, scope: Environment): Value {
    this.#budget.spend(2 * treeSize(node))
    return super.evaluateCallStatement(node, scope)
  }

  override evaluateFor(node: ForNode, scope: Environment): Value {
    const { iterable } = node
    const lhs = iterable.type === 'SelectExpression' ? iterable.lhs : undefined
    const items = this.evaluate(lhs ?? iterable, scope)
    this.#budget.spend(roundSteps * (isArray(items) ? items.value.length : isMapping(items) ? items.value.size : 0))
    const known = new Known(items)
    const text = super.evaluateFor(
      { ...node, iterable: lhs === undefined ? known : ({ ...iterable, lhs: known } as TreeNode) },
      scope,
    )
    this.#budget.fit(lengthOf(text))
    return text
  }

  override evaluateTestExpression(node: TreeNode & { operand: TreeNode }, scope: Environment): Value {
    const operand = this.evaluate(node.operand, scope)
    this.#budget.spend(textSteps(lengthOf(operand)))
    return super.evaluateTestExpression({ ...node, operand: new Known(operand) }, scope)
  }

  override evaluateSliceExpression(object: Value, node: TreeNode, scope: Environment): Value {
    // Of a text all characters become texts of their own first.
    this.#budget.spend(isArray(object) ? listSteps(object.value.length) : lengthOf(object))
    return super.evaluateSliceExpression(object, node, scope)
  }

  override evaluateMemberExpression(node: MemberNode, scope: Environment): Value {
    const object = this.evaluate(node.object, scope)
    const known = new Known(object)
    if (node.computed && node.property.type === 'SliceExpression') {
      return super.evaluateMemberExpression({ ...node, object: known }, scope)
    }
    const property = node.computed ? this.evaluate(node.property, scope) : undefined
    this.#budget.spend(textSteps(lengthOf(property)))
    // A character of a text that was joined: the text is put together first.
    if (property === undefined || isString(property)) this.#budget.spend(isString(object) ? methodSteps : 1)
    else this.#budget.spend(textSteps(lengthOf(object)))
    const member = super.evaluateMemberExpression(
      {
        type: node.type,
        object: known,
        computed: node.computed,
        property: property === undefined ? node.property : new Known(property),
      },
      scope,
    )
    if (!isFunction(member)) return member
    const name = String(property === undefined ? node.property.value : property.value)
    return this.#metered(member, args => this.#spendMethod(object, name, args))
  }

  /** What a method costs, or a filter of the same name. */
  #spendMethod(object: Value, name: string, args: readonly Value[]): void {
    const budget = this.#budget
    if (isMapping(object)) {
      if (name === 'get') return budget.spend(textSteps(lengthOf(args[0])))
      if (name !== 'dictsort') return budget.spend(elementSteps(object.value.size))
      let characters = 0
      for (const [key, value] of object.value) characters += key.length + lengthOf(value)
      return budget.spend(elementSteps(object.value.size) + sortSteps(object.value.size, characters))
    }
    if (!isString(object)) return
    const text = object.value
    const [first, second] = args
    if (name === 'split')
      return spendSplitting(budget, text, first !== undefined && isString(first) ? first.value : undefined)
    if (name === 'replace' && first !== undefined && second !== undefined && isString(first) && isString(second)) {
      return spendReplacing(budget, text, first.value, second.value)
    }
    budget.spend(textSteps(text.length * (name === 'title' ? 8 : 1)))
    if (first !== undefined && isArray(first))
      for (const each of first.value) budget.spend(1 + textSteps(lengthOf(each)))
    else budget.spend(textSteps(lengthOf(first)))
  }

  override applyFilter(operand: Value, filter: FilterCall, scope: Environment): Value {
    this.#budget.spend(1)
    if (filter.type !== 'CallExpression') {
      this.#spendFilter(operand, String(filter.value), [], new Map())
      return super.applyFilter(operand, filter, scope)
    }
    const name = String(filter.callee?.value)
    // These two want their arguments as they stand in the source.
    if (name === 'selectattr' || name === 'rejectattr') {
      this.#spendSelecting(operand, filter.args?.[0])
      return super.applyFilter(operand, filter, scope)
    }
    const [args, named] = this.evaluateArguments(filter.args ?? [], scope)
    this.#spendFilter(operand, name, args, named)
    const known = [
      ...args.map(each => new Known(each)),
      ...[...named].map(([key, value]) => ({
        type: 'KeywordArgumentExpression',
        key: { value: key },
        value: new Known(value),
      })),
    ]
    return super.applyFilter(operand, { ...filter, args: known } as FilterCall, scope)
  }

  #spendSelecting(operand: Value, attribute: (TreeNode & { value?: unknown }) | undefined): void {
    if (!isArray(operand)) return
    const path = String(attribute?.value)
    for (const item of operand.value)
      this.#budget.spend(2 + textSteps(isMapping(item) ? lengthOf(item.value.get(path)) : 0))
  }

  #spendFilter(operand: Value, name: string, args: readonly Value[], named: ReadonlyMap<string, Value>): void {
    const budget = this.#budget
    if (name === 'tojson') return this.#spendJson(operand, named)
    if (isString(operand)) {
      if (name === 'indent') return spendIndenting(budget, operand.value, numberOf(args[0] ?? named.get('width')) ?? 4)
      if (name === 'join' && (args.length > 0 || named.size > 0)) {
        const separator = lengthOf(args[0] ?? named.get('separator'))
        budget.fit(operand.value.length * (1 + separator))
        return budget.spend(operand.value.length * (1 + textSteps(1 + separator)))
      }
      return this.#spendMethod(operand, name, args)
    }
    if (isMapping(operand)) return this.#spendMethod(operand, name, args)
    if (!isArray(operand)) return
    const items = operand.value
    switch (name) {
      case 'join': {
        const separator = args[0] ?? named.get('separator')
        return spendJoining(budget, items, separator !== undefined && isString(separator) ? separator.value : '')
      }
      case 'string':
        return spendWriting(budget, operand)
      case 'sort': {
        const attribute = args[2] ?? named.get('attribute')
        const path = attribute === undefined ? undefined : String(attribute.value)
        let characters = 0
        for (const item of items) {
          budget.spend(textSteps(8 * (path?.length ?? 0)))
          characters += path === undefined ? lengthOf(item) : path.length + textAt(item, path).length
        }
        return budget.spend(listSteps(items.length) + sortSteps(items.length, characters))
      }
      case 'map':
        return budget.spend(items.length * (2 + textSteps(8 * lengthOf(named.get('attribute')))))
      case 'unique':
        for (const item of items) budget.spend(2 + textSteps(lengthOf(item)))
        return
      case 'reverse':
        budget.spend(listSteps(items.length))
    }
  }

  #spendJson(value: Value, named: ReadonlyMap<string, Value>): void {
    const separators = named.get('separators')
    const ownSeparators =
      separators !== undefined && isArray(separators) ? Math.max(4, ...separators.value.slice(0, 2).map(lengthOf)) : 4
    const layout = {
      indent: Math.max(0, numberOf(named.get('indent')) ?? 0),
      separators: ownSeparators,
      escaped: named.get('ensure_ascii')?.value === true ? 6 : 1,
    }
    spendWriting(this.#budget, value, layout)
    if (named.get('sort_keys')?.value === true) this.#spendSorting(value)
  }

  /**
   * Of the keys of all objects within. Called after what it costs to write them was spent, so there is an end to it.
   */
  #spendSorting(value: Value): void {
    if (isArray(value)) for (const item of value.value) this.#spendSorting(item)
    if (!isMapping(value)) return
    let characters = 0
    for (const [key, inner] of value.value) {
      characters += key.length
      this.#spendSorting(inner)
    }
    this.#budget.spend(4 * sortSteps(value.value.size, characters))
  }
}

const treeSizes = new WeakMap<TreeNode, number>()

/** Nodes of a macro: jinja goes through all of them each time that it is defined. */
function treeSize(node: TreeNode): number {
  let size = treeSizes.get(node)
  if (size === undefined) treeSizes.set(node, (size = countNodes(node)))
  return size
}

function countNodes(node: unknown): number {
  if (typeof node !== 'object' || node === null) return 0
  let count = 1
  for (const child of node instanceof Map ? [...node].flat() : Object.values(node)) count += countNodes(child)
  return count
}

function numberOf(value: Value | undefined): number | undefined {
  return typeof value?.value === 'number' && !Number.isNaN(value.value) ? value.value : undefined
}
