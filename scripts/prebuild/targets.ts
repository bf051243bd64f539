/** What `npm run prebuild` can make. The names are those of the folders in prebuilds/. */
export const targetNames = [
  'linux-x64',
  'linux-arm64',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
  'win32-arm64',
] as const

export type TargetName = (typeof targetNames)[number]
export type Platform = 'linux' | 'darwin' | 'win32'
export type Architecture = 'x64' | 'arm64'

export function partsOf(name: TargetName): { platform: Platform; architecture: Architecture } {
  const [platform, architecture] = name.split('-') as [Platform, Architecture]
  return { platform, architecture }
}

/** The oldest systems that the prebuilt libraries of llama.cpp run on; the addon asks for no more. */
export const oldest = { glibc: '2.34', glibcxx: '3.4.29', macos: '14.0' }

/** Zig's name for it. */
export function triple(name: TargetName): string {
  const { platform, architecture } = partsOf(name)
  const processor = { x64: 'x86_64', arm64: 'aarch64' }[architecture]
  return `${processor}-${{ linux: `linux-gnu.${oldest.glibc}`, darwin: `macos.${oldest.macos}`, win32: 'windows-gnu' }[platform]}`
}

/** All that an addon exports. */
export const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']

export function parseTargets(names: readonly string[]): TargetName[] {
  for (const name of names) {
    if (!(targetNames as readonly string[]).includes(name))
      throw new Error(`There is no target ${name}; there are ${targetNames.join(', ')}.`)
  }
  return names as TargetName[]
}
