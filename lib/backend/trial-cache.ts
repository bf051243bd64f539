import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { putInPlace } from '../util/replace-file.js'
import { userCacheFolder } from '../util/user-cache.js'
import { addonPath } from './addon.js'
import type { GpuBackend } from './gpu-backends.js'
import type { SelectedLibraries } from './select.js'
import { type Trial, tryBackend } from './trial.js'

/** What fails may be mended at any time; what works goes on working as long as nothing of the facts below changes. */
const keepMs = { works: 30 * 24 * 3600_000, fails: 600_000 }

const variables = /^(CUDA_|NVIDIA_|GGML_|VK_|LD_LIBRARY_PATH$|LD_PRELOAD$|DYLD_|HIP_|ROCR_|MTL_)/

/**
 * As `tryBackend`, at most once for the same libraries, driver and environment, for all processes of this user. `fresh`
 * tries in any case. Where the folder cannot be written to, each process tries for itself.
 */
export async function trialOf(
  libraries: SelectedLibraries,
  backend: GpuBackend,
  { fresh = false, attempt = tryBackend }: { fresh?: boolean; attempt?: typeof tryBackend } = {},
): Promise<Trial> {
  const facts = JSON.stringify(factsOf(libraries, backend))
  const file = path.join(
    userCacheFolder('devices'),
    `${createHash('sha256').update(facts).digest('hex').slice(0, 32)}.json`,
  )
  const known = fresh ? undefined : await remembered(file)
  if (known !== undefined) return known
  const trial = await attempt(libraries, backend)
  await remember(file, trial).catch(() => {})
  return trial
}

async function remembered(file: string): Promise<Trial | undefined> {
  try {
    const { at, trial } = JSON.parse(await readFile(file, 'utf8')) as { at: number; trial: Trial }
    const age = Date.now() - at
    return age >= 0 && age < (trial.works ? keepMs.works : keepMs.fails) ? trial : undefined
  } catch {
    return undefined
  }
}

async function remember(file: string, trial: Trial): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await putInPlace(file, [Buffer.from(JSON.stringify({ at: Date.now(), trial }))])
}

function factsOf(libraries: SelectedLibraries, { file }: GpuBackend): unknown {
  const stamp = (each: string): unknown => {
    try {
      const { size, mtimeMs } = statSync(each)
      return [each, size, mtimeMs]
    } catch {
      return [each]
    }
  }
  return {
    files: [file, libraries.llama, libraries.ggmlBase, addonPath(libraries)].map(stamp),
    host: os.hostname(),
    kernel: os.release(),
    driver: existsSync('/proc/driver/nvidia/version') ? readFileSync('/proc/driver/nvidia/version', 'utf8') : '',
    // A container may be given its devices, and a user a driver, without any of the above.
    devices: ['/dev/nvidiactl', '/dev/dri', '/dev/kfd', '/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'].map(stamp),
    environment: Object.entries(process.env)
      .filter(([name]) => variables.test(name))
      .sort(),
  }
}
