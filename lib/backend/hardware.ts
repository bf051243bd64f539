import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** A GPU that the system shows, whether or not llama.cpp could use it. */
export interface Hardware {
  maker: 'NVIDIA' | 'AMD' | 'Intel' | 'Apple'
}

const makers: Record<string, Hardware['maker']> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel' }

/** What GPUs there are, as far as files tell; nothing is started, and no driver is asked. */
export function gpuHardware({ platform, arch }: { platform: string; arch: string } = process): Hardware[] {
  const found = new Set<Hardware['maker']>()
  if (platform === 'darwin' && arch === 'arm64') found.add('Apple')
  if (platform === 'linux') {
    if (existsSync('/dev/nvidiactl') || existsSync('/proc/driver/nvidia/version')) found.add('NVIDIA')
    for (const maker of vendorsOfCards('/sys/class/drm')) found.add(maker)
  }
  if (platform === 'win32') {
    const system = path.join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32')
    if (existsSync(path.join(system, 'nvcuda.dll'))) found.add('NVIDIA')
    if (existsSync(path.join(system, 'amdvlk64.dll'))) found.add('AMD')
  }
  return [...found].map(maker => ({ maker }))
}

/** By the makers' numbers in `card0/device/vendor` and its like. */
export function vendorsOfCards(folder: string): Hardware['maker'][] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names
    .filter(name => /^card\d+$/.test(name))
    .flatMap(name => {
      try {
        return makers[readFileSync(path.join(folder, name, 'device', 'vendor'), 'utf8').trim()] ?? []
      } catch {
        return []
      }
    })
}
