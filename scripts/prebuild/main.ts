// Compiles the addon for every platform, on one Linux machine, into prebuilds/: npm run prebuild [-- --only
// linux-x64,win32-x64]

import { statSync } from 'node:fs'
import { Command } from 'commander'
import { reportFailure } from '../../lib/cli/failure.js'
import { prebuild } from './compile.js'
import { parseTargets, targetNames } from './targets.js'

const program = new Command('prebuild')
  .description('Compiles the addon for every platform, on one Linux machine, into prebuilds/.')
  .option('--only <targets>', `some of ${targetNames.join(',')}`, (text: string) => parseTargets(text.split(',')))
  .action(async ({ only = [...targetNames] }: { only?: ReturnType<typeof parseTargets> }) => {
    for (const name of only) {
      const began = performance.now()
      const file = await prebuild(name)
      console.error(
        `${name.padEnd(12)}  ${(statSync(file).size / 1e3).toFixed(0).padStart(5)} kB  ${((performance.now() - began) / 1000).toFixed(0)} s`,
      )
    }
  })

program.parseAsync().catch(reportFailure)
