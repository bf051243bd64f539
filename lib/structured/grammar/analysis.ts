import { alternative, type FlatRules, isTerminal } from './flat-rules.js'

/** For each rule, whether it matches the empty text. */
export function emptyRules(flat: FlatRules): boolean[] {
  return reachable(flat, elements => !elements.some(isTerminal))
}

/** For each rule, whether it matches any text at all: `a ::= "x" a` matches none. */
export function finiteRules(flat: FlatRules): boolean[] {
  return reachable(flat, () => true)
}

/** The rules that have an alternative that counts and refers to such rules alone. */
function reachable({ rules }: FlatRules, counts: (alternative: readonly number[]) => boolean): boolean[] {
  const reached = rules.map(() => false)
  const waiting = new Map<number, { rule: number; missing: number }[]>()
  const ready: number[] = []
  const reach = (rule: number) => {
    if (reached[rule]) return
    reached[rule] = true
    ready.push(rule)
  }
  rules.forEach((elements, rule) => {
    for (const option of alternatives(elements!).filter(counts)) {
      const references = option.filter(element => !isTerminal(element))
      if (references.length === 0) reach(rule)
      const state = { rule, missing: references.length }
      for (const reference of references) {
        if (!waiting.has(reference)) waiting.set(reference, [])
        waiting.get(reference)!.push(state)
      }
    }
  })
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const state of waiting.get(next) ?? []) if (--state.missing === 0) reach(state.rule)
  }
  return reached
}

export interface LeftmostCost {
  /** A rule that can begin with itself, as far as llama.cpp sees. */
  recursive?: number
  /** How deep rules that begin with other rules are nested. */
  depth: number
  /** How many elements llama.cpp's check for left recursion looks at, which starts anew at every reference. */
  steps: number
}

/**
 * What llama.cpp's check for left recursion finds and what it costs, without its recursion, which a long chain of rules
 * would make too deep. It passes over a rule only if one of its alternatives is nothing at all.
 */
export function leftmostCost(flat: FlatRules): LeftmostCost {
  const passedOver = flat.rules.map(elements => alternatives(elements!).some(option => option.length === 0))
  const beginnings = flat.rules.map(elements => beginningsOf(elements!, passedOver).map(({ rule }) => rule))
  const depths: (number | undefined)[] = beginnings.map(() => undefined)
  const steps = flat.rules.map(elements => elements!.length + 1)
  const open = beginnings.map(() => false)
  const total: LeftmostCost = { depth: 0, steps: 0 }
  for (const first of beginnings.keys()) {
    if (depths[first] !== undefined) continue
    const path = [{ rule: first, next: 0 }]
    open[first] = true
    while (path.length > 0) {
      const { rule, next } = path.at(-1)!
      const child = beginnings[rule]![next]
      if (child === undefined) {
        depths[rule] = 1 + beginnings[rule]!.reduce((max, each) => Math.max(max, depths[each]!), 0)
        for (const each of beginnings[rule]!) steps[rule]! += steps[each]!
        open[rule] = false
        path.pop()
      } else if (open[child]) {
        return { ...total, recursive: child }
      } else {
        path.at(-1)!.next++
        if (depths[child] === undefined) {
          open[child] = true
          path.push({ rule: child, next: 0 })
        }
      }
    }
    total.depth = Math.max(total.depth, depths[first]!)
    total.steps += steps[first]!
  }
  return total
}

/**
 * A rule that can begin with itself and leaves something to do after it each time: llama.cpp would put that aside
 * forever. It finds its way out of rules that begin with themselves and leave nothing.
 */
export function endlessRule(flat: FlatRules): number | undefined {
  const empty = emptyRules(flat)
  const beginnings = flat.rules.map(elements => beginningsOf(elements!, empty))
  const component = components(beginnings.map(each => each.map(({ rule }) => rule)))
  const found = beginnings.findIndex((each, rule) =>
    each.some(beginning => !beginning.last && component[beginning.rule] === component[rule]),
  )
  return found === -1 ? undefined : found
}

interface Beginning {
  rule: number /** Nothing follows it. */
  last: boolean
}

/** The rules that a rule can begin with, given those that may be passed over. */
function beginningsOf(elements: readonly number[], passedOver: readonly boolean[]): Beginning[] {
  return alternatives(elements).flatMap(option => {
    const end = option.findIndex(element => isTerminal(element) || !passedOver[element])
    const count = end === -1 ? option.length : isTerminal(option[end]!) ? end : end + 1
    return option.slice(0, count).map((rule, i) => ({ rule, last: i === option.length - 1 }))
  })
}

/**
 * A number for each node of a graph, the same for two that lead to each other: Tarjan's algorithm, without recursion.
 */
function components(edges: readonly (readonly number[])[]): number[] {
  const order: number[] = []
  const lowest: number[] = []
  const component: number[] = []
  const pending: number[] = []
  let count = 0
  for (const first of edges.keys()) {
    if (order[first] !== undefined) continue
    const path: { node: number; next: number }[] = []
    const enter = (node: number) => {
      order[node] = lowest[node] = count++
      pending.push(node)
      path.push({ node, next: 0 })
    }
    enter(first)
    while (path.length > 0) {
      const top = path.at(-1)!
      const target = edges[top.node]![top.next++]
      if (target !== undefined) {
        if (order[target] === undefined) enter(target)
        else if (component[target] === undefined) lowest[top.node] = Math.min(lowest[top.node]!, order[target]!)
        continue
      }
      path.pop()
      const parent = path.at(-1)?.node
      if (parent !== undefined) lowest[parent] = Math.min(lowest[parent]!, lowest[top.node]!)
      if (lowest[top.node] !== order[top.node]) continue
      let node
      do component[(node = pending.pop()!)] = top.node
      while (node !== top.node)
    }
  }
  return component
}

/** The alternatives of a rule, each by itself. */
export function alternatives(elements: readonly number[]): number[][] {
  const options: number[][] = [[]]
  for (const element of elements) {
    if (element === alternative) options.push([])
    else options.at(-1)!.push(element)
  }
  return options
}
