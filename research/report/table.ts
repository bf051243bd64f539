/** A table of the report: also written as JSON and as Markdown. */
export interface Table {
  /** Names its files, such as 'table-5'. */
  id: string
  title: string
  columns: string[]
  /** Numbers are ours or the paper's as they are; texts say what is not a number, such as "not measured: ...". */
  rows: (string | number)[][]
  /** How many digits after the point a column of numbers shows; undefined: three significant digits. */
  digits?: (number | undefined)[]
}

/** The table in GitHub's Markdown. */
export function tableMarkdown({ title, columns, rows, digits = [] }: Table): string {
  const line = (cells: string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  const body = rows.map(row => line(row.map((cell, column) => cellText(cell, digits[column]))))
  const rule = `|${columns.map((_, column) => (isNumeric(rows, column) ? ' ---: ' : ' --- ')).join('|')}|`
  return [`### ${title}`, '', line(columns), rule, ...body, ''].join('\n')
}

/** The table as data: one object a row. */
export function tableJson({ id, title, columns, rows }: Table): string {
  const objects = rows.map(row => Object.fromEntries(columns.map((column, i) => [column, row[i] ?? null])))
  return `${JSON.stringify({ id, title, columns, rows: objects }, null, 2)}\n`
}

/** A cell as people read it. */
export function cellText(cell: string | number, digits: number | undefined): string {
  if (typeof cell === 'string') return cell
  if (!Number.isFinite(cell)) return Number.isNaN(cell) ? 'not a number' : 'infinite'
  if (digits !== undefined) return grouped(cell.toFixed(digits))
  if (Number.isInteger(cell)) return grouped(String(cell))
  if (cell === 0 || (Math.abs(cell) >= 100 && Math.abs(cell) < 1e6))
    return grouped(cell.toFixed(Math.abs(cell) >= 1_000 ? 0 : 1))
  return Math.abs(cell) >= 1e6 ? cell.toExponential(2) : String(Number(cell.toPrecision(3)))
}

/** Thousands set apart by commas, left of the point. */
function grouped(number: string): string {
  const [whole = '', ...rest] = number.split('.')
  return [whole.replace(/\B(?=(\d{3})+(?!\d))/g, ','), ...rest].join('.')
}

export function isNumeric(rows: Table['rows'], column: number): boolean {
  return rows.some(row => typeof row[column] === 'number')
}
