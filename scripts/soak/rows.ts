import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { writeWhole } from '../../research/report/files.js'
import type { Plot } from '../../research/report/plot.js'
import { plotPng, plotSvg } from '../../research/report/render-plot.js'

/** A file of rows, one JSON object a line, that is whole after each of them, whenever the process ends. */
export class Rows<Row extends object> {
  readonly rows: Row[] = []

  /** Begins the file anew. `about` is its first line: what was measured, and on what. */
  constructor(
    readonly file: string,
    about: object,
  ) {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, `${JSON.stringify(about)}\n`)
  }

  add(row: Row): void {
    this.rows.push(row)
    appendFileSync(this.file, `${JSON.stringify(row)}\n`)
  }
}

export async function draw(folder: string, plots: Plot[]): Promise<void> {
  for (const plot of plots) {
    const svg = await plotSvg(plot)
    await writeWhole(path.join(folder, `${plot.id}.svg`), svg)
    await writeWhole(path.join(folder, `${plot.id}.png`), plotPng(svg))
  }
}

export function megabytes(bytes: number): number {
  return bytes / 1_000_000
}

/** Digits enough for every use of them, so that files stay small. */
export function rounded(value: number, digits = 6): number {
  return Number(value.toPrecision(digits))
}
