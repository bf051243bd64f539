import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

const patienceMs = 300_000

export interface Outcome {
  code: number | string | null
  stdout: string
  stderr: string
}

/**
 * An empty project of a user: in a folder whose name has a space and an accent, with an npm cache of its own that is
 * empty, no compiler on the path, and install scripts off.
 */
export class Project {
  readonly #home: string

  private constructor(
    readonly folder: string,
    home: string,
  ) {
    this.#home = home
  }

  static async create(name: string): Promise<Project> {
    const home = await mkdtemp(path.join(os.tmpdir(), `streaming-llm-package-`))
    const folder = path.join(home, `été chez nous ${name}`)
    await mkdir(folder)
    await mkdir(path.join(home, 'bin'))
    if (process.platform !== 'win32') {
      await symlink(process.execPath, path.join(home, 'bin', 'node'))
      // What npm's and other programs' launchers call.
      for (const each of ['sh', 'env', 'uname', 'dirname', 'sed', 'cat', 'readlink', 'ls']) {
        const found = ['/bin', '/usr/bin'].map(place => path.join(place, each)).find(place => existsSync(place))
        if (found !== undefined) await symlink(found, path.join(home, 'bin', each))
      }
    }
    const project = new Project(folder, home)
    await project.write(
      'package.json',
      JSON.stringify({ name: 'project', version: '1.0.0', private: true, type: 'module' }),
    )
    return project
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5 })
  }

  path(...parts: string[]): string {
    return path.join(this.folder, ...parts)
  }

  async write(name: string, text: string): Promise<string> {
    await mkdir(path.dirname(this.path(name)), { recursive: true })
    await writeFile(this.path(name), text)
    return this.path(name)
  }

  async read(name: string): Promise<string> {
    return await readFile(this.path(name), 'utf8')
  }

  get environment(): NodeJS.ProcessEnv {
    const kept = Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^(npm_|NODE_(?!EXTRA_CA_CERTS)|STREAMING_LLM_|XDG_|CC$|CXX$|HF_)/i.test(name),
      ),
    )
    return {
      ...kept,
      ...(process.platform === 'win32' ? {} : { PATH: path.join(this.#home, 'bin') }),
      HOME: this.#home,
      // Which registry there is, the user's settings know.
      npm_config_userconfig: process.env['npm_config_userconfig'] ?? path.join(os.homedir(), '.npmrc'),
      npm_config_cache: path.join(this.#home, 'npm-cache'),
      npm_config_ignore_scripts: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
    }
  }

  /** Runs a program here to its end, whatever that is. */
  async try(program: string, args: readonly string[], environment: Record<string, string> = {}): Promise<Outcome> {
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { ...this.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
      })
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    const code = await new Promise<number | string | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(signal ?? code))
    })
    clearTimeout(timer)
    return { code, ...output }
  }

  /** Runs a program here, and returns what it wrote to stdout; throws where it does not end well. */
  async run(program: string, args: readonly string[], environment: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(program, args, environment)
    if (code === 0) return stdout
    throw new Error(
      `${[path.basename(program), ...args].join(' ')} ended with ${code}:\n${`${stdout}\n${stderr}`.trim().split('\n').slice(-30).join('\n')}`,
    )
  }

  async node(...args: string[]): Promise<string> {
    return await this.run(process.execPath, args)
  }

  async npm(...args: string[]): Promise<string> {
    return await this.run(process.execPath, [npmCli('npm'), ...args])
  }

  async npx(...args: string[]): Promise<string> {
    return await this.run(process.execPath, [npmCli('npx'), ...args])
  }
}

/** The npm that runs this script, else the one that came with this Node. */
export function npmCli(name: 'npm' | 'npx'): string {
  const beside = path.dirname(process.execPath)
  const folders = [
    path.dirname(process.env['npm_execpath'] ?? ''),
    path.join(beside, '..', 'lib', 'node_modules', 'npm', 'bin'),
    path.join(beside, 'node_modules', 'npm', 'bin'),
  ]
  const found = folders.map(folder => path.join(folder, `${name}-cli.js`)).find(file => existsSync(file))
  if (found === undefined) throw new Error('npm is not where Node is: run this by npm.')
  return found
}
