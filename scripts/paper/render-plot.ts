import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Resvg } from '@resvg/resvg-js'
import * as vega from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { Axis, Plot } from './plot.js'

const font = 'DejaVu Sans'

// Okabe and Ito's colours, which people who do not see all colours can tell apart; the lightest is left out.
const colours = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#7F7F7F', '#8C564B']

/** The plot as SVG. */
export async function plotSvg(plot: Plot): Promise<string> {
  const view = new vega.View(vega.parse(compile(specification(plot)).spec), { renderer: 'none', logLevel: vega.Error })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** The same as PNG, twice as large; the fonts come with the packages, as a machine may have none. */
export function plotPng(svg: string): Buffer {
  const fonts = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  return new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    background: 'white',
    font: { loadSystemFonts: false, fontFiles: ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map(file => join(fonts, file)), defaultFontFamily: font },
  }).render().asPng()
}

interface Row {
  x: number
  y: number
  series: string
}

function specification(plot: Plot): TopLevelSpec {
  const { title, subtitle, x, y, series, legend, kind = 'line', rule } = plot
  const rows: Row[] = series.flatMap(({ name, points }) => points.map(point => ({ ...point, series: name })))
  const names = series.map(({ name }) => name)
  const dashes = series.map(({ dashed }) => (dashed ? [6, 4] : [1, 0]))
  const key = { title: legend, orient: 'bottom' as const, columns: names.some(name => name.length > 30) ? 2 : 3, labelLimit: 420, titleLimit: 700, symbolSize: 260, symbolStrokeWidth: 2.5 }
  const colour = { field: 'series', type: 'nominal' as const, scale: { domain: names, range: colours.slice(0, Math.max(1, names.length)) }, legend: key }
  const vertical = { field: 'y', type: 'quantitative' as const, title: y.title, scale: scaleOf(y, true), axis: axisOf(y) }
  const label = rule === undefined ? [] : [
    { data: { values: [{ y: rule.y }] }, mark: { type: 'rule' as const, color: '#444444', strokeDash: [2, 3], strokeWidth: 1.5 }, encoding: { y: { field: 'y', type: 'quantitative' as const } } },
    {
      data: { values: [{ y: rule.y, text: rule.label }] },
      mark: { type: 'text' as const, align: 'right' as const, baseline: 'bottom' as const, dy: -4, fontSize: 12, color: '#444444' },
      encoding: { y: { field: 'y', type: 'quantitative' as const }, x: { value: 'width' as const }, text: { field: 'text' } },
    },
  ]
  const marks = kind === 'bars'
    ? {
        mark: { type: 'bar' as const },
        encoding: {
          x: { field: 'x', type: 'ordinal' as const, title: x.title, axis: { labelAngle: 0, format: ',~f' } },
          xOffset: { field: 'series', scale: { domain: names } },
          y: vertical,
          color: colour,
        },
      }
    : {
        mark: { type: 'line' as const, strokeWidth: 2, clip: false, point: kind === 'points' ? { size: 70, filled: true } : false },
        encoding: {
          x: { field: 'x', type: 'quantitative' as const, title: x.title, scale: scaleOf(x, false), axis: { ...axisOf(x), ...(x.scale === 'log' ? { values: [...new Set(rows.map(row => row.x))] } : {}) } },
          y: vertical,
          color: colour,
          strokeDash: { field: 'series', type: 'nominal' as const, scale: { domain: names, range: dashes }, legend: key },
        },
      }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 720,
    height: 360,
    padding: 16,
    background: 'white',
    title: { text: title, ...(subtitle === undefined ? {} : { subtitle }), anchor: 'start', offset: 14 },
    config: {
      font,
      view: { stroke: '#dddddd' },
      title: { fontSize: 17, subtitleFontSize: 13, subtitleColor: '#444444', limit: 760 },
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', titlePadding: 10, gridColor: '#eeeeee', titleLimit: 700 },
      legend: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal' },
    },
    data: { values: rows },
    layer: [marks, ...label],
  } as TopLevelSpec
}

function scaleOf({ scale = 'linear', domain, zero }: Axis, isY: boolean) {
  const ends = domain === undefined ? {} : { domain }
  if (scale === 'log') return { type: 'log', nice: isY, ...ends }
  return { type: 'linear', zero: zero ?? isY, nice: true, ...ends }
}

function axisOf({ scale = 'linear' }: Axis) {
  // Within a decade a log axis has nine ticks; over several, labels that would overlap are left out.
  return { format: ',~f', labelOverlap: true, labelFlush: false, ...(scale === 'log' ? { tickCount: 6 } : { tickCount: 8 }) }
}
