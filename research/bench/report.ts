import { join } from 'node:path'
import { writeWhole } from '../report/files.js'
import { plotPng, plotSvg } from '../report/render-plot.js'
import { cellText, type Table, tableMarkdown } from '../report/table.js'
import { type Bar, type BenchCase, isMet, type Measurement } from './case.js'
import type { CaseResult, Results } from './results.js'

/** Writes report.md and its plots. Returns the page's path. */
export async function writeReport(folder: string, results: Results, cases: Omit<BenchCase, 'run'>[]): Promise<string> {
  for (const { id } of cases) {
    for (const plot of results.cases[id]?.outcome?.plots ?? []) {
      const svg = await plotSvg(plot)
      await writeWhole(join(folder, 'plots', `${plot.id}.svg`), svg)
      await writeWhole(join(folder, 'plots', `${plot.id}.png`), plotPng(svg))
    }
  }
  const page = join(folder, 'report.md')
  await writeWhole(page, reportMarkdown(results, cases))
  return page
}

/** The report's page; plots lie beside it. */
export function reportMarkdown(results: Results, cases: Omit<BenchCase, 'run'>[]): string {
  const there = cases.flatMap(each => {
    const result = results.cases[each.id]
    return result === undefined ? [] : [{ ...each, result }]
  })
  const notYet = cases.filter(({ id }) => results.cases[id] === undefined)
  return [
    '# Benchmark',
    '',
    "Ratios are what this report is about; absolute times are this machine's.",
    '',
    tableMarkdown(plainTable('The machine', ['', ' '], results.facts)),
    tableMarkdown(
      plainTable(
        'What must be reached',
        ['Case', 'Figure', 'Measured', 'Bar', 'Met'],
        there.flatMap(({ id, bars, result }) => bars.map(bar => barRow(id, bar, result))),
      ),
    ),
    ...(notYet.length === 0 ? [] : [`Not run: ${notYet.map(({ id }) => id).join(', ')}.`, '']),
    ...there.flatMap(section),
  ].join('\n')
}

function section({ id, title, about, result }: Omit<BenchCase, 'run'> & { result: CaseResult }): string[] {
  const { outcome, failure, command, date, seconds, busyCores } = result
  return [
    `## ${title}`,
    '',
    about,
    '',
    '```sh',
    command,
    '```',
    '',
    `${date}, ${Math.round(seconds)} s; just before, other programs kept ${busyCores.toFixed(2)} cores busy.`,
    '',
    ...(failure === undefined ? [] : [`${id} failed: ${oneLine(failure)}`, '']),
    ...(outcome?.tables ?? []).map(tableMarkdown),
    ...(outcome?.plots ?? []).flatMap(plot => [`![${plot.title}](plots/${plot.id}.svg)`, '']),
    ...(outcome?.notes ?? []).flatMap(note => [note, '']),
    ...(outcome?.missing ?? []).flatMap(({ what, reason }) => [`Not measured: ${what}: ${oneLine(reason)}`, '']),
  ]
}

function barRow(id: string, bar: Bar, { outcome, failure }: CaseResult): string[] {
  const measurement = outcome?.measurements[bar.id] ?? { missing: failure ?? 'the case gave no figure' }
  const met = isMet(measurement, bar)
  return [id, bar.what, measurementText(measurement), barText(bar), met === undefined ? '-' : met ? 'yes' : '**no**']
}

function measurementText(measurement: Measurement): string {
  return typeof measurement === 'number'
    ? cellText(measurement, Math.abs(measurement) < 10 ? 3 : undefined)
    : `not measured: ${oneLine(measurement.missing)}`
}

function barText({ max, min }: Bar): string {
  const parts = [...(max === undefined ? [] : [`<= ${max}`]), ...(min === undefined ? [] : [`>= ${min}`])]
  return parts.length === 0 ? 'report' : parts.join(', ')
}

function plainTable(title: string, columns: string[], rows: string[][]): Table {
  return { id: '', title, columns, rows }
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, '; ')
}
