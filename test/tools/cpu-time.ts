/**
 * Milliseconds that this process has computed so far, on all its threads: what a limit on time is held against in
 * tests, since the clock goes on while other programs have the cores.
 */
export function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
