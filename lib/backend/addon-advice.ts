/** What may help where no addon loads, by the reasons that the loaders gave. */
export function addonAdvice(
  reasons: readonly string[],
  { platform, arch }: { platform: string; arch: string } = process,
): string[] {
  const output = reasons.join('\n')
  const advice: string[] = []
  const add = (when: boolean | RegExp, words: string): void => {
    if (typeof when === 'boolean' ? when : when.test(output)) advice.push(words)
  }
  const fromSource = 'npx streaming-llm build makes an addon and libraries for this system'
  add(/musl/, `${fromSource}; then loadModel(..., { libraries: 'built' }).`)
  add(
    /GLIBC(XX)?_[\d.]+['’]? not found/,
    `This Linux is older than the prebuilt addon needs (glibc 2.34 and GCC 11's libstdc++: Debian 12, Ubuntu 22.04, RHEL 9). Use a newer one, or ${fromSource}.`,
  )
  add(
    /lib(stdc\+\+|gcc_s)\S*: cannot open shared object file/,
    'The C++ library of the system is missing; on Debian and Ubuntu: apt-get install libstdc++6',
  )
  add(
    platform === 'win32' && /module could not be found|error 126/i.test(output),
    "Microsoft's Visual C++ Redistributable is missing: winget install Microsoft.VCRedist.2015+.x64 (or .arm64).",
  )
  add(
    /invalid ELF header|wrong ELF class|not a valid Win32 application|incompatible architecture|not a mach-o file|have '\w+', need/i,
    `The files are of another processor or system than ${platform}-${arch}: node_modules was copied from another machine. Install there, where it runs.`,
  )
  add(/macOS|minimum (deployment|OS)|was built for newer/i, 'The prebuilt addon needs macOS 14 or later.')
  add(/none is prebuilt/, `${fromSource}.`)
  add(
    /Cannot find module.*prebuilds|MODULE_NOT_FOUND/i,
    'The package is incomplete: install it again. A bundler must leave it outside of the bundle (external: streaming-llm), and an Electron packager must unpack *.node files.',
  )
  return advice
}
