import {
  BaseInterpreter,
  type BinaryNode,
  BooleanValue,
  type CallNode,
  type FilterCall,
  type ForNode,
  FunctionValue,
  IntegerValue,
  isArray,
  isFunction,
  isMapping,
  isString,
  isTrue,
  type MemberNode,
  newScope,
  ObjectValue,
  type Scope,
  StringValue,
  type TestNode,
  type TreeNode,
  UndefinedValue,
  type Value,
} from './jinja-runtime.js'
import { Arguments } from './python/arguments.js'
import { keyOf, keySteps } from './python/compare.js'
import { filterOf } from './python/filters.js'
import { iterated } from './python/iterate.js'
import { assign, loopValue } from './python/loops.js'
import { itemOf, methodOf } from './python/members.js'
import { operated } from './python/operators.js'
import { tests } from './python/tests.js'
import { typeName } from './python/types.js'
import { written } from './python/write.js'
import { elementSteps, lengthOf, listSteps, methodSteps, textSteps } from './value-work.js'
import type { WorkBudget } from './work-budget.js'

/** A node whose value is known: an operand that was looked at before jinja's own code gets it. */
class Known implements TreeNode {
  readonly type = 'Known'

  constructor(readonly known: Value) {}
}

/** Thrown where a template leaves a loop or goes on with it; `text` is what the round has written so far. */
class LoopJump extends Error {
  text = ''

  constructor(readonly ends: boolean) {
    super('A loop is left outside of any.')
  }
}

/** An exception, with all that it costs. */
const jumpSteps = 20
/** Scopes and variables that each round of a loop makes. */
const roundSteps = 8
/** Levels of scopes in which one step looks for a variable. */
const scopesPerStep = 16

/** Nodes that say nothing themselves: what they give is not written. */
const statements = new Set(['Set', 'Macro', 'Comment'])

/**
 * Jinja's interpreter with Python's meaning of operators, filters, tests and methods, where each node costs steps of a
 * budget, and each operation what it costs by the size of what it is given, before it is done. So a template ends after
 * the same work on every machine, and builds nothing of a size that would end the process.
 */
export class MeteredInterpreter extends BaseInterpreter {
  readonly #budget: WorkBudget

  constructor(scope: Scope, budget: WorkBudget) {
    super(scope)
    this.#budget = budget
  }

  override evaluate(node: TreeNode | undefined, scope: Scope): Value {
    if (node instanceof Known) return node.known
    if (node?.type === 'Break' || node?.type === 'Continue') {
      this.#budget.spend(jumpSteps)
      throw new LoopJump(node.type === 'Break')
    }
    this.#budget.spend(1)
    return node?.type === 'ObjectLiteral' ? this.#evaluateMapping(node, scope) : super.evaluate(node, scope)
  }

  #evaluateMapping(node: TreeNode, scope: Scope): Value {
    const entries = [...(node as TreeNode & { value: Map<TreeNode, TreeNode> }).value].map(([keyNode, value]) => {
      const keyValue = this.evaluate(keyNode, scope)
      const key = keyOf(keyValue)
      if (key === undefined) throw new Error(`${typeName(keyValue)} cannot be a key.`)
      this.#budget.spend(keySteps(key))
      return [key, this.evaluate(value, scope)] as const
    })
    return new ObjectValue(new Map(entries))
  }

  override evaluateBlock(nodes: readonly TreeNode[], scope: Scope): Value {
    let text = ''
    for (const node of nodes) {
      let value: Value
      try {
        value = this.evaluate(node, scope)
      } catch (error) {
        if (error instanceof LoopJump) {
          this.#budget.fit(text.length + error.text.length)
          error.text = text + error.text
        }
        throw error
      }
      if (statements.has(node.type)) continue
      text += written(this.#budget, value)
      this.#budget.fit(text.length)
    }
    return new StringValue(text)
  }

  override evaluateIdentifier(node: TreeNode & { value: string }, scope: Scope): Value {
    const name = node.value
    let depth = 0
    for (let each: Scope | undefined = scope; each !== undefined; each = each.parent) {
      const value = each.variables.get(name)
      this.#budget.spend(depth++ / scopesPerStep)
      if (value === undefined) continue
      // Each scope has its own function `namespace`, which takes texts of two characters for pairs.
      return name === 'namespace' && isFunction(value)
        ? this.#metered(value, args => this.#spendNamespace(args))
        : value
    }
    return new UndefinedValue()
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
    original: Value & { value: (args: Value[], scope: Scope) => Value },
    spend: (args: readonly Value[]) => void,
  ): Value {
    return new FunctionValue((args, scope) => {
      spend(args)
      return original.value(args, scope)
    })
  }

  override evaluateBinaryExpression(node: BinaryNode, scope: Scope): Value {
    const operator = node.operator.value
    // The second operand may not be wanted.
    if (operator === 'and' || operator === 'or') return super.evaluateBinaryExpression(node, scope)
    const left = this.evaluate(node.left, scope)
    const right = this.evaluate(node.right, scope)
    return (
      operated(this.#budget, operator, left, right) ??
      super.evaluateBinaryExpression(
        { type: node.type, operator: node.operator, left: new Known(left), right: new Known(right) },
        scope,
      )
    )
  }

  override evaluateArguments(nodes: readonly TreeNode[], scope: Scope): [Value[], Map<string, Value>] {
    const given = super.evaluateArguments(nodes, scope)
    this.#budget.spend(given[0].length + given[1].size)
    return given
  }

  override bindMacroArguments(
    name: string,
    parameters: readonly TreeNode[],
    special: ReadonlySet<string>,
    args: Value[],
    scope: Scope,
  ): void {
    this.#budget.spend(parameters.length + args.length)
    super.bindMacroArguments(name, parameters, special, args, scope)
  }

  override evaluateMacro(node: TreeNode, scope: Scope): Value {
    this.#budget.spend(2 * treeSize(node))
    return super.evaluateMacro(node, scope)
  }

  override evaluateCallStatement(node: TreeNode, scope: Scope): Value {
    this.#budget.spend(2 * treeSize(node))
    return super.evaluateCallStatement(node, scope)
  }

  /** Variables that are set in a round are not there in the next one. */
  override evaluateFor(node: ForNode, scope: Scope): Value {
    const { iterable, loopvar, body, defaultBlock } = node
    const condition = iterable.type === 'SelectExpression' ? iterable.test : undefined
    const source = this.evaluate(condition === undefined ? iterable : iterable.lhs, scope)
    const all = iterated(this.#budget, source)
    this.#budget.spend(roundSteps * all.length)
    const items =
      condition === undefined
        ? all
        : all.filter(item => isTrue(this.evaluate(condition, this.#round(loopvar, item, scope))))
    let text = ''
    // What follows `else` is written where no round came to its end.
    let isDone = false
    for (const [i, item] of items.entries()) {
      const round = this.#round(loopvar, item, scope)
      round.setVariable('loop', loopValue(items, i))
      try {
        text += (this.evaluateBlock(body, round) as Value & { value: string }).value
        isDone = true
      } catch (error) {
        if (!(error instanceof LoopJump)) throw error
        text += error.text
        if (error.ends) break
      } finally {
        this.#budget.fit(text.length)
      }
    }
    if (!isDone) text += (this.evaluateBlock(defaultBlock, scope) as Value & { value: string }).value
    this.#budget.fit(text.length)
    return new StringValue(text)
  }

  #round(loopvar: ForNode['loopvar'], item: Value, scope: Scope): Scope {
    const round = newScope(scope)
    assign(this.#budget, loopvar, item, round)
    return round
  }

  override evaluateTestExpression(node: TestNode, scope: Scope): Value {
    const test = tests.get(node.test.value)
    if (test === undefined) throw new Error(`There is no test ${node.test.value}.`)
    return new BooleanValue(test(this.evaluate(node.operand, scope), undefined, this.#budget) !== node.negate)
  }

  override evaluateSliceExpression(object: Value, node: TreeNode, scope: Scope): Value {
    // Of a text all characters become texts of their own first.
    this.#budget.spend(isArray(object) ? listSteps(object.value.length) : lengthOf(object))
    return super.evaluateSliceExpression(object, node, scope)
  }

  /** `x.items` is the method, and `x['items']` what lies under that key, where there is both. */
  override evaluateMemberExpression(node: MemberNode, scope: Scope): Value {
    const object = this.evaluate(node.object, scope)
    if (node.computed && node.property.type === 'SliceExpression') {
      return super.evaluateMemberExpression({ ...node, object: new Known(object) }, scope)
    }
    const budget = this.#budget
    budget.spend(methodSteps)
    if (node.computed) {
      const wanted = this.evaluate(node.property, scope)
      const found = itemOf(budget, object, wanted)
      if (found !== undefined) return found
      return (isString(wanted) ? methodOf(budget, object, wanted.value) : undefined) ?? new UndefinedValue()
    }
    const name = String(node.property.value)
    const wanted =
      typeof node.property.value === 'number' ? new IntegerValue(node.property.value) : new StringValue(name)
    return methodOf(budget, object, name) ?? itemOf(budget, object, wanted) ?? new UndefinedValue()
  }

  /** As jinja does it, but for the error, which names what is called. */
  override evaluateCallExpression(node: CallNode, scope: Scope): Value {
    const callee = this.evaluate(node.callee, scope)
    if (!isFunction(callee)) {
      throw new Error(`It calls ${sourceOf(node.callee)}, which is ${typeName(callee)} and no function`)
    }
    return super.evaluateCallExpression({ ...node, callee: new Known(callee) } as CallNode, scope)
  }

  override applyFilter(operand: Value, filter: FilterCall, scope: Scope): Value {
    this.#budget.spend(1)
    if (filter.type !== 'CallExpression') return this.#filter(operand, new Arguments(String(filter.value), []))
    const [args, named] = this.evaluateArguments(filter.args ?? [], scope)
    return this.#filter(operand, new Arguments(String(filter.callee?.value), args, named))
  }

  #filter(operand: Value, args: Arguments): Value {
    const filter = filterOf(args.callee)
    if (filter === undefined) throw new Error(`There is no filter ${args.callee}`)
    return filter(operand, args, this.#budget, (name, value, list) => {
      this.#budget.spend(2)
      return this.#filter(value, new Arguments(name, list))
    })
  }
}

/** What a callee looks like in a template's source, as far as it is names. */
function sourceOf(node: TreeNode): string {
  if (node.type === 'Identifier') return String((node as TreeNode & { value: unknown }).value)
  if (node.type !== 'MemberExpression') return 'a value'
  const { object, property, computed } = node as MemberNode
  const name = String(property.value)
  return computed
    ? `${sourceOf(object)}[...]`
    : object.type === 'Identifier'
      ? `${sourceOf(object)}.${name}`
      : `.${name}`
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
