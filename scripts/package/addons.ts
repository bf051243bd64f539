import type { TargetName } from '../prebuild/targets.js'

/** What is known of the addons in prebuilds/, and what can be done about them. */
export interface Addons {
  /** The platform that this is. */
  here: TargetName
  all: readonly TargetName[]
  isThere(name: TargetName): boolean
  /** Of the sources as they are. */
  isCurrent(name: TargetName): boolean
  /** Put there by an earlier packing, with nothing but this platform's own compiler. */
  isBuiltHere(name: TargetName): boolean
  /** Builds this platform's from the sources as they are, where it is not yet, and puts it there. */
  buildHere(): Promise<void>
  say(line: string): void
}

/**
 * Sees to the addons that the package will carry. Where there are no prebuilt ones, this platform's is built, as often
 * as it is packed: enough to try the package, and not for publishing (npm run release sees to that).
 */
export async function prepareAddons({
  here,
  all,
  isThere,
  isCurrent,
  isBuiltHere,
  buildHere,
  say,
}: Addons): Promise<void> {
  const there = all.filter(isThere)
  if (there.every(name => name === here && isBuiltHere(name))) {
    await buildHere()
    say(`The package has an addon for ${here} alone, built here; npm run prebuild makes those for all platforms.`)
    return
  }
  const outdated = there.filter(name => !isCurrent(name))
  if (outdated.length > 0)
    throw new Error(
      `The prebuilt addons for ${outdated.join(', ')} are not of the sources as they are: run npm run prebuild, or delete prebuilds/.`,
    )
  const missing = all.filter(name => !there.includes(name))
  if (missing.length > 0) say(`The package has no addon for ${missing.join(', ')}; npm run prebuild makes them.`)
}
