/** Thrown within a template's work that exceeds what it may cost. Never leaves `CompiledTemplate`. */
export class WorkExceeded extends Error {
  /** Which limit it was, and how much that is. */
  readonly exceeded: 'steps' | 'characters'
  readonly limit: number

  constructor(exceeded: 'steps' | 'characters', limit: number) {
    super(`more than ${limit} ${exceeded}`)
    this.exceeded = exceeded
    this.limit = limit
  }
}

/**
 * What rendering may cost, counted and not timed: the same template and messages cost the same on every machine,
 * however busy it is. A step is about what evaluating one node of a template costs, some 50 to 500 nanoseconds.
 */
export class WorkBudget {
  readonly steps: number
  /** Characters of any single text that is built on the way. */
  readonly characters: number
  #left: number

  constructor(steps: number, characters: number) {
    this.steps = steps
    this.characters = characters
    this.#left = steps
  }

  get left(): number {
    return this.#left
  }

  get used(): number {
    return this.steps - this.#left
  }

  /** To be called before the work is done. Throws `WorkExceeded` where that many steps are no longer left. */
  spend(steps: number): void {
    // Not `<`: what is not a number counts as too much.
    if (!((this.#left -= steps) >= 0)) throw new WorkExceeded('steps', this.steps)
  }

  /** To be called before a text of that length is built, where that costs anything. */
  fit(characters: number): void {
    if (!(characters <= this.characters)) throw new WorkExceeded('characters', this.characters)
  }
}
