// Before npm packs: dist/ from the sources, and the addon.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { reportFailure } from '../../lib/cli/failure.js'
import { buildNative } from '../build-native.mjs'
import { isBuiltHere, isCurrent, markBuiltHere, prebuiltFile, root } from '../prebuild/compile.js'
import { type TargetName, targetNames } from '../prebuild/targets.js'
import { prepareAddons } from './addons.js'
import { buildDist } from './build-dist.js'

async function prepack(): Promise<void> {
  await buildDist()
  const here = `${process.platform}-${process.arch}` as TargetName
  await prepareAddons({
    here,
    all: targetNames,
    isThere: name => existsSync(prebuiltFile(name)),
    isCurrent,
    isBuiltHere,
    buildHere: async () => {
      await buildNative({ say: console.error })
      mkdirSync(path.dirname(prebuiltFile(here)), { recursive: true })
      copyFileSync(path.join(root, 'build', 'Release', 'streaming_llm.node'), prebuiltFile(here))
      markBuiltHere(here)
    },
    say: console.error,
  })
}

prepack().catch(reportFailure)
