import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '../report/files.js'
import { plotPng, plotSvg } from '../report/render-plot.js'
import { cellText, isNumeric, type Table, tableJson, tableMarkdown } from '../report/table.js'
import type { Experiment, Outcomes } from './experiment.js'

/** What the report says of the run: names and values, in the order in which they are shown. */
export type Facts = [name: string, value: string][]

export interface ReportOptions {
  folder: string
  /** Some sentences at the top. */
  introduction: string[]
  facts: Facts
  /** How to get this report again. */
  commands: string[]
}

/** Writes the page, each plot and each table. Returns the page's path. */
export async function writeReport(
  experiments: Experiment[],
  outcomes: Outcomes,
  { folder, introduction, facts, commands }: ReportOptions,
): Promise<string> {
  await removeOlder(folder)
  const files: string[] = []
  const write = async (file: string, content: string | Uint8Array) => {
    await writeWhole(join(folder, file), content)
    files.push(file)
  }
  const sections: string[] = []
  for (const { id, title, about, cells, present } of experiments) {
    const { tables, plots, notes } = present(outcomes)
    const figures: string[] = []
    for (const plot of plots) {
      if ('series' in plot && plot.series.every(({ points }) => points.length === 0)) continue
      const svg = await plotSvg(plot)
      await write(`plots/${plot.id}.svg`, svg)
      await write(`plots/${plot.id}.png`, plotPng(svg))
      figures.push(
        `<figure>${inline(svg, plot.id)}<figcaption><a href="plots/${plot.id}.svg">SVG</a> <a href="plots/${plot.id}.png">PNG</a></figcaption></figure>`,
      )
    }
    for (const table of tables) {
      await write(`tables/${table.id}.json`, tableJson(table))
      await write(`tables/${table.id}.md`, tableMarkdown(table))
    }
    const reasons = new Map<string, string[]>()
    for (const cell of cells) {
      const reason = outcomes.reason(cell)
      if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), cell.label])
    }
    const missing = [...reasons].map(([reason, labels]) => `Not measured: ${labels.join('; ')}: ${reason}`)
    sections.push(
      [
        `<section id="${id}"><h2>${escape(title)}</h2><p>${escape(about)}</p>`,
        ...tables.map(tableHtml),
        ...figures,
        ...[...notes, ...missing].map(note => `<p class="note">${escape(note)}</p>`),
        '</section>',
      ].join('\n'),
    )
  }
  const page = join(folder, 'index.html')
  await writeWhole(
    page,
    [
      '<!doctype html>',
      '<html lang="en">',
      '<head>',
      '<meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width">',
      "<title>StreamingLLM: the paper's evidence</title>",
      `<style>${style}</style>`,
      '</head>',
      '<body>',
      "<h1>StreamingLLM: the paper's evidence</h1>",
      ...introduction.map(text => `<p>${escape(text)}</p>`),
      `<nav><ul>${experiments.map(({ id, title }) => `<li><a href="#${id}">${escape(title)}</a></li>`).join('')}</ul></nav>`,
      ...sections,
      '<section id="run"><h2>This run</h2>',
      `<table><tbody>${facts.map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</tbody></table>`,
      '<p>To get this report again:</p>',
      `<pre>${escape(commands.join('\n'))}</pre>`,
      '</section>',
      '</body>',
      '</html>',
      '',
    ].join('\n'),
  )
  await writeWhole(
    join(folder, 'run.json'),
    `${JSON.stringify({ facts: Object.fromEntries(facts), commands, files }, null, 2)}\n`,
  )
  return page
}

/** Plots and tables of an earlier report in this folder, by its own list: they would look like this one's. */
async function removeOlder(folder: string): Promise<void> {
  let files: unknown
  try {
    files = (JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as { files?: unknown }).files
  } catch {
    return // there is none
  }
  for (const file of Array.isArray(files) ? files : []) {
    if (typeof file === 'string' && /^(plots|tables)\/[\w.-]+$/.test(file))
      await rm(join(folder, file), { force: true })
  }
}

function tableHtml({ title, columns, rows, digits = [] }: Table): string {
  const numeric = columns.map((_, column) => isNumeric(rows, column))
  const cell = (tag: string, column: number, text: string) =>
    `<${tag}${numeric[column] ? ' class="number"' : ''}>${escape(text)}</${tag}>`
  return [
    `<table><caption>${escape(title)}</caption><thead><tr>${columns.map((name, i) => cell('th', i, name)).join('')}</tr></thead><tbody>`,
    ...rows.map(row => `<tr>${row.map((value, i) => cell('td', i, cellText(value, digits[i]))).join('')}</tr>`),
    '</tbody></table>',
  ].join('\n')
}

/** Inside one page, the clip paths of several plots must not share their names. */
function inline(svg: string, id: string): string {
  return svg.replace(/\b(id="|url\(#)(?=clip|gradient)/g, `$1${id}-`)
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const style = `
body { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 3rem; border-top: 1px solid #ddd; padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; font-size: .9rem; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { border: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; } thead th { background: #f4f4f4; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; } figcaption, .note { font-size: .85rem; color: #555; }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; }
`
