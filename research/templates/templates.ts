import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { mock } from 'node:test'
import { tableMarkdown } from '../report/table.js'
import { type Comparison, compareTemplates, type TemplateReport } from './compare.js'
import { type ReadBack, readBack } from './read-back.js'

export interface TemplatesOptions {
  /** Where the templates are, as files that end with `.jinja`. */
  folder: string
  /** A Python that has jinja2. */
  python: string
  /** Random calls that each template has to write. */
  calls: number
  seed: number
  say: (line: string) => void
}

/**
 * Compares what templates write here and in Python, and reads back the calls that they write. Says so template by
 * template, and as a table; true where none differs or fails here alone, and all calls are read.
 */
export function checkTemplates({ folder, python, calls, seed, say }: TemplatesOptions): boolean {
  const templates = new Map(
    readdirSync(folder)
      .filter(file => file.endsWith('.jinja'))
      .sort()
      .map(file => [file.slice(0, -'.jinja'.length), readFileSync(path.join(folder, file), 'utf8')]),
  )
  const rows: (string | number)[][] = []
  let isRight = true
  for (const report of compared(templates, python)) {
    say(`${report.name}: calls as ${report.format.syntax.name}`)
    sayComparisons(report, say)
    const read = report.format.rendersCalls
      ? readBack(templates.get(report.name)!, report.format, calls, seed)
      : undefined
    if (read !== undefined) sayReadBack(read, say)
    const { equal, unequal, inBoth } = counts(report.comparisons)
    isRight &&= unequal === 0 && (read === undefined || (read.read === read.calls && read.clean === read.replies))
    rows.push([
      report.name,
      report.format.syntax.name,
      `${equal} of ${equal + unequal}`,
      inBoth,
      read === undefined ? '' : `${read.read} of ${read.calls}`,
    ])
  }
  const columns = ['template', 'calls', 'prompts equal to Python', 'refused by both', 'calls read back']
  say(tableMarkdown({ id: 'templates', title: `${rows.length} templates`, columns, rows }))
  return isRight
}

/** Templates write the date, so there it stands still. */
function compared(templates: ReadonlyMap<string, string>, python: string): TemplateReport[] {
  const now = new Date(2026, 6, 5, 10, 20, 30)
  mock.timers.enable({ apis: ['Date'], now })
  try {
    return compareTemplates(templates, { python, now })
  } finally {
    mock.timers.reset()
  }
}

/** What Python refuses and is rendered here is no difference that anyone sees: nobody trained a model with it. */
function counts(comparisons: readonly Comparison[]): { equal: number; unequal: number; inBoth: number } {
  const times = (...outcomes: Comparison['outcome'][]) =>
    comparisons.filter(({ outcome }) => outcomes.includes(outcome)).length
  return {
    equal: times('equal'),
    unequal: times('different', 'fails here alone'),
    inBoth: times('fails in both', 'fails there alone'),
  }
}

function sayComparisons({ comparisons }: TemplateReport, say: (line: string) => void): void {
  const outcomes = new Map<Comparison['outcome'], number>()
  for (const { outcome } of comparisons) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  say(`  ${[...outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(', ')}`)
  for (const { conversation, outcome, details } of comparisons) {
    if (outcome === 'different' || outcome === 'fails here alone') say(`  ${conversation} ${outcome}: ${details}`)
  }
}

function sayReadBack({ calls, read, replies, clean, failures }: ReadBack, say: (line: string) => void): void {
  say(`  of ${calls} calls ${read} are read back, ${clean} of ${replies} replies without text beside them`)
  for (const failure of failures) say(`  ${failure.slice(0, 600)}`)
}
