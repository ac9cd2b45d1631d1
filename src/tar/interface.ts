/**
 * What the tar reader says and what its listener must answer. Names and extended attributes are bytes throughout:
 * nothing is decoded that the caller did not ask for.
 */

export type TarEntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'char'
  | 'block'
  | 'directory'
  | 'fifo'
  /** PAX global header (`g`): its records are handed over as they are and apply to nothing. */
  | 'pax-global'
  /** Any other type flag; the data, if any, is delivered. libarchive, and so ostree, takes it for a regular file. */
  | 'unknown'

/** One PAX record in the order of the archive; a name given twice stands twice. */
export interface PaxRecord {
  /** Bytes of the key as a string of code units 0..255 (latin1): keys are ASCII but for xattr names. */
  readonly key: string
  readonly value: Uint8Array
}

export interface TarHeader {
  /** Bytes from the start of the stream to the first block of this entry, its extension headers included. */
  readonly offset: number
  readonly type: TarEntryType
  /** The type flag byte as it stands. */
  readonly typeflag: number
  /** Full path: GNU long name, PAX `path` and the ustar prefix honoured. As written, `./` and all. */
  readonly path: Uint8Array
  /** Full link target (GNU long link, PAX `linkpath`); empty when there is none. */
  readonly linkPath: Uint8Array
  /** The 100-byte link name field of the header itself, up to its NUL. */
  readonly headerLinkName: Uint8Array
  /** Permission bits, 07777. */
  readonly mode: number
  /** PAX `uid` and `gid` honoured. */
  readonly uid: number
  readonly gid: number
  /** Bytes of data that follow as `data` calls: expanded size for sparse files, 0 for links without data. */
  readonly size: number
  /** Seconds since the epoch; from PAX where given, then possibly fractional. */
  readonly mtime: number
  /** Seconds since the epoch as the header itself has it. */
  readonly headerMtime: number
  readonly devMajor: number
  readonly devMinor: number
  /** PAX `uname` and `gname` honoured. */
  readonly userName: Uint8Array
  readonly groupName: Uint8Array
  /** Records of the PAX header of this entry (for `pax-global`: of itself). */
  readonly pax: readonly PaxRecord[]
}

/**
 * Calls come in order: `entry`, then `data` for exactly `header.size` bytes in total (none when 0), then `end`.
 * All synchronous. `bytes` is a view into the reader's input: keep it beyond the call and you must copy it. A body that
 * lies whole inside one input chunk comes as one call. A throw stops the parser and leaves through `push`.
 */
export interface TarSink {
  entry(header: TarHeader): void
  data(bytes: Uint8Array): void
  end(): void
}

/** Ceilings for hostile archives; each an option of the reader. */
export interface TarLimits {
  /** Bytes of one extension header (PAX records, GNU long name). Default 1 MiB. */
  readonly maxExtensionBytes?: number | undefined
  /** Bytes of one file. Default 2^43 (8 TiB). */
  readonly maxFileBytes?: number | undefined
  /** Entries in one archive. Default 10 million. */
  readonly maxEntries?: number | undefined
  /** Zeros that sparse files of one archive may expand to: few bytes can ask for any number. Default 2^34 (16 GiB). */
  readonly maxHoleBytes?: number | undefined
}
