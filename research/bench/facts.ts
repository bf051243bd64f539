import { createRequire } from 'node:module'
import os from 'node:os'
import { loadAddon } from '../../lib/backend/addon.js'
import { locateLibraries } from '../../lib/backend/locate.js'
import type { NativeAddon } from '../../lib/engine/native.js'

/** The machine and the versions, for the report. No path of this machine belongs there. */
export function machineFacts(): [string, string][] {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const libraries = locateLibraries()
  const { version: llamaCpp, devices } = (loadAddon() as NativeAddon).open(libraries)
  const processors = os.cpus()
  return [
    [
      'Processor',
      `${processors[0]?.model.trim() ?? 'unknown'}, ${os.availableParallelism()} of ${processors.length} logical cores`,
    ],
    ['Memory', `${Math.round(os.totalmem() / 2 ** 30)} GiB`],
    ['System', `${os.type()} ${os.release()} ${os.arch()}`],
    ['Devices of llama.cpp', devices.map(({ description, type }) => `${description} (${type})`).join('; ')],
    ['Node', process.versions.node],
    ['llama.cpp', `${libraries.llama.split(/[\\/]/).at(-1) ?? ''} (${llamaCpp})`],
    ['streaming-llm', version],
  ]
}

/** How many cores are busy, over a second: what a measurement that follows has to share the machine with. */
export async function busyCores(milliseconds = 1_000): Promise<number> {
  const before = os.cpus()
  await new Promise(resolve => setTimeout(resolve, milliseconds))
  return os.cpus().reduce((busy, { times }, i) => {
    const spent = (name: keyof typeof times) => times[name] - (before[i]?.times[name] ?? 0)
    const all = spent('user') + spent('nice') + spent('sys') + spent('irq') + spent('idle')
    return all === 0 ? busy : busy + 1 - spent('idle') / all
  }, 0)
}
