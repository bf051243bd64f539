// Before npm packs: dist/ from the sources, and the addon. Where there is no prebuilt one for this platform, the one built
// here goes into the package: enough to try it, and not for publishing (npm run release sees to that).

import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { reportFailure } from '../../lib/cli/failure.js'
import { buildNative } from '../build-native.mjs'
import { isCurrent, prebuiltFile, root } from '../prebuild/compile.js'
import { targetNames, type TargetName } from '../prebuild/targets.js'
import { buildDist } from './build-dist.js'

async function prepack(): Promise<void> {
  await buildDist()
  const here = `${process.platform}-${process.arch}` as TargetName
  const there = targetNames.filter(name => existsSync(prebuiltFile(name)))
  if (there.length === 0) {
    await buildNative({ say: console.error })
    mkdirSync(path.dirname(prebuiltFile(here)), { recursive: true })
    copyFileSync(path.join(root, 'build', 'Release', 'streaming_llm.node'), prebuiltFile(here))
    console.error(`The package has an addon for ${here} alone, built here; npm run prebuild makes those for all platforms.`)
    return
  }
  const outdated = there.filter(name => !isCurrent(name))
  if (outdated.length > 0) throw new Error(`The prebuilt addons for ${outdated.join(', ')} are not of the sources as they are: run npm run prebuild, or delete prebuilds/.`)
  const missing = targetNames.filter(name => !there.includes(name))
  if (missing.length > 0) console.error(`The package has no addon for ${missing.join(', ')}; npm run prebuild makes them.`)
}

prepack().catch(reportFailure)
