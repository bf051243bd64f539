import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Downloads the wheel of a Python package by pip, whichever Python has one, and returns its path in `workshop`.
 * `onBytes` gets how much there is from time to time.
 */
export async function downloadWheel(
  pipPackage: string,
  workshop: string,
  { signal, onBytes }: { signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
): Promise<string> {
  // A wheel only: pip would run code to look into a source package.
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary',
    ':all:',
    '-q',
    '--disable-pip-version-check',
    '--no-input',
    '--retries',
    '2',
    '--timeout',
    '15',
    '-d',
    workshop,
    pipPackage,
  ]
  // pip tells nothing that a program could read, but the file it writes can be watched growing.
  const watch = setInterval(async () => {
    const bytes = await largestFile(workshop).catch(() => 0)
    if (bytes > 0) onBytes?.(bytes)
  }, 250)
  const failures: string[] = []
  try {
    for (const python of ['python3', 'python']) {
      const failure = await run(
        python,
        args,
        { ...process.env, TMPDIR: workshop, TEMP: workshop, TMP: workshop },
        signal,
      )
      if (failure === undefined) {
        const wheel = (await readdir(workshop)).find(name => name.endsWith('.whl'))
        if (wheel !== undefined) return join(workshop, wheel)
        throw new Error('pip left no wheel behind')
      }
      failures.push(`${python}: ${failure.message}`)
      if (!failure.pipMissing) break
    }
  } finally {
    clearInterval(watch)
  }
  throw new Error(failures.join('; '))
}

/** Runs a program to its end. Undefined when it went well. Rejects with `signal.reason` when aborted. */
async function run(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<{ message: string; pipMissing: boolean } | undefined> {
  signal?.throwIfAborted()
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'], windowsHide: true })
    let errors = ''
    let failedToStart: Error | undefined
    const kill = () => child.kill()
    signal?.addEventListener('abort', kill, { once: true })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4_000)
    })
    child.on('error', error => {
      failedToStart = error
    })
    child.on('close', code => {
      signal?.removeEventListener('abort', kill)
      if (signal?.aborted) reject(signal.reason as Error)
      else if (failedToStart) resolve({ message: failedToStart.message, pipMissing: true })
      else if (code === 0) resolve(undefined)
      // Windows has a python3.exe that only advertises the store, and ends with 9009.
      else
        resolve({
          message: lastLine(errors) || `exit code ${code}`,
          pipMissing: code === 9009 || /No module named '?pip/.test(errors),
        })
    })
  })
}

function lastLine(text: string): string {
  const lines = text
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
  return lines.filter(line => line.startsWith('ERROR')).at(-1) ?? lines.at(-1) ?? ''
}

async function largestFile(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    entries
      .filter(entry => entry.isFile())
      .map(entry =>
        stat(join(entry.parentPath ?? entry.path, entry.name)).then(
          info => info.size,
          () => 0,
        ),
      ),
  )
  return Math.max(0, ...sizes)
}
