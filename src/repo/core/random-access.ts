/** What can be read at any place: content of files, and space for bytes that do not fit into memory. */

/** Bytes that can be read at any place. The caller closes it, and keeps the ranges it reads within the size. */
export interface RandomAccess {
  /** Number of bytes. */
  readonly size: number
  /** Fills `into` with the bytes from `offset` on. @throws {IoError}, {FormatError} if there are fewer bytes than `size` */
  read(offset: number, into: Uint8Array): void
  close(): void
}

/** Bytes that are written once, then read at any place, and forgotten when it is closed or the process ends. */
export interface Scratch extends RandomAccess {
  /** Appends bytes behind those that were written before. @throws {IoError} if there is not enough space */
  write(bytes: Uint8Array): void
}
