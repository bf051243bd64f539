/** Where the bytes of a model's file come from: a file on this machine, or one on a server that is read in pieces. */
export interface ByteSource {
  readonly sizeBytes: number
  /**
   * As Node's `FileHandle`: reads up to `length` bytes from `position` on into `buffer` at `offset`; 0 bytes mean the
   * end.
   */
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  close(): Promise<void>
}

/** Opens a part of a model by its path; what a path is, the opener knows. Throws typed errors. */
export type OpenSource = (path: string) => Promise<ByteSource>
