// Prints the path of the default model, after fetching it where needed; the progress goes to stderr.

import { progressBar } from '../lib/cli/progress-bar.js'
import { fetchDefaultModel } from './default-model.js'

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(new Error('Interrupted')))
process.once('SIGTERM', () => interrupted.abort(new Error('Ended by SIGTERM')))

const bar = progressBar()
try {
  const path = await fetchDefaultModel({ signal: interrupted.signal, onProgress: bar.show })
  bar.end()
  process.stdout.write(`${path}\n`)
} catch (error) {
  bar.end()
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
