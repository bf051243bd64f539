/** A model's file is being downloaded. At most ten such reports a second, and one at the end of each file. */
export interface ModelProgress {
  stage: 'download'
  /**
   * The file's path in its repository, such as `SmolLM2-135M-Instruct.Q4_1.gguf`; each part of a split file reports by
   * itself.
   */
  file: string
  /** Bytes of it that are on the disk, those of an earlier, broken off download included. */
  receivedBytes: number
  /** Its size in bytes, or undefined while that is unknown. */
  totalBytes: number | undefined
}

export type ProgressListener = (progress: ModelProgress) => void

const intervalMs = 100

/** Thins out reports about one file. `last` reports in any case, for the start and the end of a file. */
export function progressReporter(
  listener: ProgressListener | undefined,
  file: string,
): (receivedBytes: number, totalBytes: number | undefined, last?: boolean) => void {
  let reportedAt = -Infinity
  return (receivedBytes, totalBytes, last = false) => {
    if (!listener) return
    const now = performance.now()
    if (!last && now - reportedAt < intervalMs) return
    reportedAt = now
    listener({ stage: 'download', file, receivedBytes, totalBytes })
  }
}
