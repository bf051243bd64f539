import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A template, and what is rendered by it. */
export interface RenderRequest {
  template: string
  variables: Readonly<Record<string, unknown>>
  /** The local time that it is, in ISO's form. */
  now: string
}

/** What has become of it. */
export type Rendered = { text: string } | { error: string }

const program = fileURLToPath(new URL('render_templates.py', import.meta.url))

/** Renders by jinja2. Throws where that Python has none, or ends before its time. */
export function renderInPython(python: string, requests: readonly RenderRequest[]): Rendered[] {
  const { stdout, stderr, status, error } = spawnSync(python, [program], {
    input: requests.map(request => `${JSON.stringify(request)}\n`).join(''),
    encoding: 'utf8',
    env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
    maxBuffer: 2 ** 30,
  })
  if (error !== undefined) throw new Error(`${python} could not be started: ${error.message}. Name one by --python.`)
  if (status !== 0) throw new Error(stderr.trim() || `${python} ended with ${status}`)
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Rendered)
}
