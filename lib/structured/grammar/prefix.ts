import { alternatives } from './analysis.js'
import { type FlatRules, furtherMember, isTerminal, type Terminal, terminalOf } from './flat-rules.js'

/** Some tenths of a second. */
const mostSteps = 200_000

/**
 * Whether some text of a checked grammar begins with this one: Earley's algorithm. True also where that cannot be known: for
 * a grammar with tokens, whose texts only a model knows, and for one that would take long. A rule without end counts.
 */
export function mayBeginWith(flat: FlatRules, text: string): boolean {
  return new Walk(flat, wellFormed(text)).reaches()
}

/** UTF-8 has no place for half a surrogate pair. */
function wellFormed(text: string): number[] {
  return Array.from(Buffer.from(text).toString(), character => character.codePointAt(0)!)
}

/** One alternative of a rule, with numbers for the places in it that are all different. */
interface Option {
  rule: number
  elements: readonly number[]
  firstPlace: number
}

/** How far an alternative has been read, that began at `origin`. */
interface State {
  option: Option
  at: number
  origin: number
}

interface Position {
  states: State[]
  known: Set<number>
  /** The states that go on once a rule that begins here has been read, by the rule. */
  waiting: Map<number, State[]>
  /** Rules that begin and end here. */
  empty: Set<number>
}

class Walk {
  readonly #options = new Map<number, Option[]>()
  readonly #positions: Position[]
  #places = 0
  #steps = 0

  constructor(
    readonly flat: FlatRules,
    readonly text: readonly number[],
  ) {
    this.#positions = Array.from({ length: text.length + 1 }, () => ({
      states: [],
      known: new Set(),
      waiting: new Map(),
      empty: new Set(),
    }))
  }

  reaches(): boolean {
    this.#begin(this.flat.names.get('root')!, 0)
    for (const [index, codePoint] of this.text.entries()) {
      const { states } = this.#positions[index]!
      // grows while it is walked
      for (const state of states) {
        const element = state.option.elements[state.at]
        if (element === undefined) this.#end(state, index)
        else if (!isTerminal(element)) this.#wait(state, element, index)
        else if (terminalOf(this.flat, element) === 'token') return true
        else if (matches(terminalOf(this.flat, element), codePoint)) this.#advance(state, index + 1)
        if (this.#steps > mostSteps) return true
      }
    }
    return this.#positions.at(-1)!.states.length > 0
  }

  #begin(rule: number, index: number): void {
    for (const option of this.#optionsOf(rule)) this.#add({ option, at: 0, origin: index }, index)
  }

  #wait(state: State, rule: number, index: number): void {
    const { waiting, empty } = this.#positions[index]!
    const others = waiting.get(rule)
    if (others === undefined) {
      waiting.set(rule, [state])
      this.#begin(rule, index)
    } else {
      others.push(state)
    }
    if (empty.has(rule)) this.#advance(state, index)
  }

  #end({ option: { rule }, origin }: State, index: number): void {
    const { waiting, empty } = this.#positions[origin]!
    if (origin === index) empty.add(rule)
    for (const state of [...(waiting.get(rule) ?? [])]) this.#advance(state, index)
  }

  #advance(state: State, index: number): void {
    this.#add({ ...state, at: state.at + 1 }, index)
  }

  #add(state: State, index: number): void {
    this.#steps++
    const { states, known } = this.#positions[index]!
    const key = (state.option.firstPlace + state.at) * this.#positions.length + state.origin
    if (known.has(key)) return
    known.add(key)
    states.push(state)
  }

  #optionsOf(rule: number): Option[] {
    const known = this.#options.get(rule)
    if (known !== undefined) return known
    const options = alternatives(this.flat.rules[rule]!).map(all => {
      const elements = all.filter(element => element !== furtherMember)
      const firstPlace = this.#places
      this.#places += elements.length + 1
      return { rule, elements, firstPlace }
    })
    this.#options.set(rule, options)
    return options
  }
}

function matches(terminal: Terminal, codePoint: number): boolean {
  if (terminal === 'any') return true
  if (terminal === 'token') return false
  return terminal.ranges.some(([from, to]) => from <= codePoint && codePoint <= to) !== terminal.inverted
}
