/** A series of points under one name in the legend. */
export interface Series {
  name: string
  points: { x: number; y: number }[]
  /** Dashed: the paper's figures, or what is there for comparison. */
  dashed?: boolean
}

/** A plot of the report: written as SVG and as PNG. */
export interface Plot {
  /** Names its files, such as 'figure-9'. */
  id: string
  title: string
  /** Below the title, such as the model and the cache. */
  subtitle?: string
  /** Each axis is named with its unit, such as "Perplexity (lower is better)" or "Position in the text (tokens)". */
  x: Axis
  y: Axis
  series: Series[]
  /** What the legend is headed by. */
  legend: string
  /** 'line' (default), 'points' with a line through them, or 'bars' at each x (few of them). */
  kind?: 'line' | 'points' | 'bars'
  /** A horizontal line and its words, such as a headline figure of the paper. */
  rule?: { y: number; label: string }
}

export interface Axis {
  title: string
  /** Default: 'linear'. */
  scale?: 'linear' | 'log'
  /** Where the axis ends; by default where the points do. */
  domain?: [number, number]
  /** Whether a linear axis begins at 0. Default: y yes, x no. */
  zero?: boolean
}

/** Maps side by side with one scale of colours: row by row what each token looks at. */
export interface HeatMaps {
  id: string
  title: string
  subtitle?: string
  x: { title: string }
  y: { title: string }
  /** What the colours mean. */
  legend: string
  /** `values[row][column]`; null stays empty. */
  panels: { name: string; values: (number | null)[][] }[]
}
