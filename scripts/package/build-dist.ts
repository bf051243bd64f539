import { rmSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { root } from '../prebuild/compile.js'
import { run } from '../prebuild/tools.js'

/**
 * The package's dist/ from the sources: types file by file, and the program in a few files, since Node needs a third of
 * a millisecond for each that it loads, and there are more than two hundred.
 */
export async function buildDist(dist = path.join(root, 'dist')): Promise<void> {
  rmSync(dist, { recursive: true, force: true })
  await run(process.execPath, [
    path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    path.join(root, 'tsconfig.build.json'),
    '--outDir',
    dist,
  ])
  await build({
    entryPoints: { index: path.join(root, 'lib', 'index.ts'), cli: path.join(root, 'lib', 'cli', 'main.ts') },
    // As deep as the sources' folders: what they name from there, the addon and package.json, is named rightly from
    // here too.
    outdir: path.join(dist, 'js'),
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  })
}
