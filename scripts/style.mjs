// The form of the code, and what linters find in it: `npm run format` puts it right, `npm run check` only looks.
//
// TypeScript and JSON by Biome (biome.json), C++ by clang-format (.clang-format), which differs from release to release
// and so is taken from PyPI in the one that is written here.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { root, SetupError } from './setup.mjs'

const clangFormatRelease = '20.1.8'

/** Returns whether all is as it should be; with `write`, makes it so as far as a program can. */
export function styleIsRight({ write, say }) {
  const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const typescript = run(process.execPath, [biome, 'check', ...(write ? ['--write'] : []), '--error-on-warnings', '.'])
  const native = run(clangFormat(say), [...(write ? ['-i'] : ['--dry-run', '-Werror']), ...nativeSources()])
  return typescript && native
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw new SetupError(`${command} could not be started: ${error.message}`)
  return status === 0
}

/** All C++ that is ours. */
function nativeSources() {
  return ['native', 'research', 'test'].flatMap(folder =>
    readdirSync(path.join(root, folder), { recursive: true })
      .map(name => path.join(folder, name))
      .filter(name => /\.(cpp|h)$/.test(name) && !/[\\/](include|build)[\\/]/.test(name)),
  )
}

function clangFormat(say) {
  const folder = path.join(root, 'build', `clang-format-${clangFormatRelease}`)
  const program = path.join(
    folder,
    'clang_format',
    'data',
    'bin',
    process.platform === 'win32' ? 'clang-format.exe' : 'clang-format',
  )
  if (existsSync(program)) return program
  say(`Fetching clang-format ${clangFormatRelease}`)
  const python = process.platform === 'win32' ? 'python' : 'python3'
  const { status } = spawnSync(
    python,
    [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--target',
      folder,
      `clang-format==${clangFormatRelease}`,
    ],
    { stdio: ['ignore', 2, 2] },
  )
  if (status !== 0 || !existsSync(program))
    throw new SetupError(`clang-format ${clangFormatRelease} could not be fetched; Python 3 with pip is needed.`)
  return program
}
