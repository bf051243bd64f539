// The sources of the addon, for all that compiles it: all of native/ but what is Windows' alone and the tests'. As a
// program it prints them as paths from the folder in which it runs, for binding.gyp: `node native-sources.mjs engine`
// all but the file that makes a module of them, `module` that file, `test` the tests' module.

import { readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const moduleFile = 'native/addon/module.cpp'

/** Files of native/ with one of these endings, headers of others apart, as paths from the root with forward slashes. */
export function nativeFiles(...endings) {
  return readdirSync(path.join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && endings.some(ending => entry.name.endsWith(ending)))
    .map(entry => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    .filter(name => !name.startsWith('native/include/'))
    .sort()
}

/** What is compiled for every platform. */
export function nativeSources() {
  return nativeFiles('.cpp').filter(name => !name.startsWith('native/windows/') && !name.startsWith('native/test/'))
}

const parts = {
  engine: () => nativeSources().filter(name => name !== moduleFile),
  module: () => [moduleFile],
  test: () => nativeFiles('.cpp').filter(name => name.startsWith('native/test/')),
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const files = parts[process.argv[2]]()
  console.log(files.map(name => path.relative(process.cwd(), path.join(root, name)).replaceAll('\\', '/')).join(' '))
}
