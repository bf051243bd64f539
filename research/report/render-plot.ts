import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Resvg } from '@resvg/resvg-js'
import * as vega from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { Axis, HeatMaps, Plot } from './plot.js'

const font = 'DejaVu Sans'

// Okabe and Ito's colours, which people who do not see all colours can tell apart; the lightest is left out.
const colours = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#7F7F7F', '#8C564B']

/** The plot as SVG. */
export async function plotSvg(plot: Plot | HeatMaps): Promise<string> {
  const view = new vega.View(
    vega.parse(
      compile('panels' in plot ? mapsSpecification(plot) : specification(plot), { logger: vega.logger(vega.Error) })
        .spec,
    ),
    { renderer: 'none', logLevel: vega.Error },
  )
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
    font: {
      loadSystemFonts: false,
      fontFiles: ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map(file => join(fonts, file)),
      defaultFontFamily: font,
    },
  })
    .render()
    .asPng()
}

interface Row {
  x: number
  y: number
  series: string
}

const config = {
  font,
  view: { stroke: '#dddddd' },
  title: { fontSize: 17, subtitleFontSize: 13, subtitleColor: '#444444', limit: 2_000 },
  axis: {
    labelFontSize: 12,
    titleFontSize: 13,
    titleFontWeight: 'normal',
    titlePadding: 10,
    gridColor: '#eeeeee',
    titleLimit: 2_000,
  },
  legend: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal' },
}

function mapsSpecification({ title, subtitle, x, y, legend, panels }: HeatMaps): TopLevelSpec {
  const names = panels.map(({ name }) => name)
  const rows = panels.flatMap(({ name, values }) =>
    values.flatMap((row, i) =>
      row.flatMap((value, j) => (value === null ? [] : [{ panel: name, x: j + 1, y: i + 1, value }])),
    ),
  )
  const ticks = { values: [1, 4, 8, 12, 16, 20, 24, 28, 32], labelAngle: 0, grid: false }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    padding: 16,
    background: 'white',
    title: { text: title, ...(subtitle === undefined ? {} : { subtitle }), anchor: 'start', offset: 14 },
    config: { ...config, header: { title: null, labelFontSize: 13 } },
    data: { values: rows },
    facet: { field: 'panel', type: 'nominal', sort: names, title: null },
    columns: 4,
    spacing: 24,
    spec: {
      width: 170,
      height: 170,
      mark: { type: 'rect', tooltip: null },
      encoding: {
        x: { field: 'x', type: 'ordinal', title: x.title, axis: ticks },
        y: { field: 'y', type: 'ordinal', title: y.title, axis: ticks },
        color: {
          field: 'value',
          type: 'quantitative',
          scale: { scheme: 'viridis', domainMin: 0 },
          legend: { title: legend, titleLimit: 0, orient: 'bottom', gradientLength: 300 },
        },
      },
    },
  } as TopLevelSpec
}

function specification(plot: Plot): TopLevelSpec {
  const { title, subtitle, x, y, series, legend, kind = 'line', rule } = plot
  const rows: Row[] = series.flatMap(({ name, points }) => points.map(point => ({ ...point, series: name })))
  // In the legend like the others, as words beside the line would lie across them.
  const ends = [Math.min(...rows.map(row => row.x)), Math.max(...rows.map(row => row.x))]
  const ruled: Row[] = rule === undefined ? [] : ends.map(end => ({ x: end, y: rule.y, series: rule.label }))
  const names = [...series.map(({ name }) => name), ...ruled.slice(0, 1).map(row => row.series)]
  const dashes = [...series.map(({ dashed }) => (dashed ? [6, 4] : [1, 0])), ...ruled.slice(0, 1).map(() => [2, 3])]
  const range = [...colours.slice(0, series.length), ...ruled.slice(0, 1).map(() => '#444444')]
  const bars = kind === 'bars'
  const key = {
    title: legend,
    orient: 'bottom' as const,
    columns: names.some(name => name.length > 24) ? 2 : 3,
    labelLimit: 0,
    titleLimit: 0,
    ...(bars ? {} : { symbolType: 'stroke' as const, symbolSize: 700, symbolStrokeWidth: 2.5 }),
  }
  const scale = { domain: names, range }
  const colour = { field: 'series', type: 'nominal' as const, scale, legend: key }
  const dash = { field: 'series', type: 'nominal' as const, scale: { domain: names, range: dashes }, legend: key }
  const vertical = {
    field: 'y',
    type: 'quantitative' as const,
    title: y.title,
    scale: scaleOf(y, true),
    axis: axisOf(y),
  }
  // A few sizes that were chosen are marked themselves.
  const chosen = [...new Set(rows.map(row => row.x))]
  const places = x.scale === 'log' && chosen.length <= 8 ? { values: chosen } : {}
  const horizontal = {
    field: 'x',
    type: 'quantitative' as const,
    title: x.title,
    scale: scaleOf(x, false),
    axis: { ...axisOf(x), ...places },
  }
  const line = (data: Row[]) => ({
    data: { values: data },
    mark: { type: 'line' as const, strokeWidth: 2 },
    encoding: { x: horizontal, y: vertical, color: colour, strokeDash: dash },
  })
  const points = {
    data: { values: rows },
    mark: { type: 'point' as const, size: 70, filled: true, opacity: 1 },
    encoding: { x: horizontal, y: vertical, color: { ...colour, legend: null } },
  }
  const columns = {
    data: { values: rows },
    mark: { type: 'bar' as const },
    encoding: {
      x: { field: 'x', type: 'ordinal' as const, title: x.title, axis: { labelAngle: 0, format: ',~f' } },
      xOffset: { field: 'series', scale: { domain: names } },
      y: vertical,
      color: colour,
    },
  }
  const layer = bars
    ? [columns]
    : [line(rows), ...(kind === 'points' ? [points] : []), ...(rule === undefined ? [] : [line(ruled)])]
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 720,
    height: 360,
    padding: 16,
    background: 'white',
    title: { text: title, ...(subtitle === undefined ? {} : { subtitle }), anchor: 'start', offset: 14 },
    config,
    layer,
  } as TopLevelSpec
}

function scaleOf({ scale = 'linear', domain, zero }: Axis, isY: boolean) {
  const ends = domain === undefined ? {} : { domain }
  if (scale === 'log') return { type: 'log', nice: isY, ...ends }
  return { type: 'linear', zero: zero ?? isY, nice: isY, ...ends }
}

function axisOf({ scale = 'linear' }: Axis) {
  // Within a decade a log axis has nine ticks; over several, labels that would overlap are left out.
  return {
    format: ',~f',
    labelOverlap: true,
    labelFlush: false,
    ...(scale === 'log' ? { tickCount: 6 } : { tickCount: 8 }),
  }
}
