/** A signal that cannot be listened to. */
export function deafSignal(): AbortSignal {
  const { signal } = new AbortController()
  signal.addEventListener = () => {
    throw new Error('deaf')
  }
  return signal
}

/** What keeps this process alive, of some kinds: `ProcessWrap`, `TCPSocketWrap`, `Timeout`. */
export function held(...kinds: string[]): string[] {
  return process.getActiveResourcesInfo().filter(each => kinds.includes(each))
}
