/** The entries that archive parsers report, and the sink that receives them. Names and values are bytes. */

/** Type of an entry. */
export type TarEntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'char'
  | 'block'
  | 'directory'
  | 'fifo'
  /** A PAX global header (`g`). Its records are reported, but not applied to other entries. */
  | 'pax-global'
  /** Any other type flag. Its data is reported. libarchive, and so ostree, treats it as a regular file. */
  | 'unknown'

/** A PAX record. */
export interface PaxRecord {
  /** Bytes of the key as a string of code units 0 to 255 (latin1). Keys are ASCII except for names of xattrs. */
  readonly key: string
  readonly value: Uint8Array
}

/** The header of an entry, with the extension headers before it applied. */
export interface TarHeader {
  /** Bytes from the start of the stream to the entry's first block, which is that of its extension headers, if any. */
  readonly offset: number
  readonly type: TarEntryType
  /** The type flag byte. */
  readonly typeflag: number
  /** Path from the GNU long name, the PAX record `path`, or the ustar fields. Not normalised: `./` is kept. */
  readonly path: Uint8Array
  /** Link target from the GNU long link, the PAX record `linkpath`, or the header; empty if there is none. */
  readonly linkPath: Uint8Array
  /** The link name field of the header block, 100 bytes, up to its NUL. */
  readonly headerLinkName: Uint8Array
  /** Permission bits: mode & 07777. */
  readonly mode: number
  /** Owner, from the PAX record `uid` or the header block; of a number beyond 2^53 its lower 32 bits. It may be negative. */
  readonly uid: number
  /** Group, from the PAX record `gid` or the header block; of a number beyond 2^53 its lower 32 bits. It may be negative. */
  readonly gid: number
  /** Bytes of data that follow in calls of `data`: for sparse files with their holes, for links without data 0. */
  readonly size: number
  /** Seconds since 1970-01-01 UTC from the PAX record `mtime`, which may have a fraction, or the header block. */
  readonly mtime: number
  /** Seconds since 1970-01-01 UTC from the header block. */
  readonly headerMtime: number
  /** Major number of a device; 0 for other types. */
  readonly devMajor: number
  /** Minor number of a device; 0 for other types. */
  readonly devMinor: number
  /** User name from the PAX record `uname` or the header block. */
  readonly userName: Uint8Array
  /** Group name from the PAX record `gname` or the header block. */
  readonly groupName: Uint8Array
  /** Records of the entry's PAX header, or of the PAX global header itself, in order; keys may be repeated. */
  readonly pax: readonly PaxRecord[]
}

/**
 * Receives the entries of an archive, in synchronous calls. For each entry there is a call of `entry`, calls of `data` for
 * `header.size` bytes in total, and a call of `end`. An error thrown by a call stops the parser and is thrown by `push`.
 */
export interface TarSink {
  /** Starts an entry. The memory of `header` is not reused. */
  entry(header: TarHeader): void
  /**
   * Receives data of the entry. `bytes` is a view of the parser's input, valid during the call. A body that is contained
   * in an input chunk comes in one call.
   */
  data(bytes: Uint8Array): void
  /** Ends the entry. */
  end(): void
}

/** Limits that protect from hostile archives, and what is tolerated. */
export interface TarLimits {
  /** Bytes of an extension header (PAX records, GNU long name). Default: 1 MiB. */
  readonly maxExtensionBytes?: number | undefined
  /** Bytes of a file. Default: 2^43 (8 TiB). */
  readonly maxFileBytes?: number | undefined
  /** Entries of an archive. Default: 10 million. */
  readonly maxEntries?: number | undefined
  /** Zeros that the sparse files of an archive expand to, whose number is unrelated to its size. Default: 2^34 (16 GiB). */
  readonly maxHoleBytes?: number | undefined
  /**
   * Whether the padding after the data of the last file may be missing at the end of the stream, as `umoci insert` writes
   * layers. Default: an error, as in libarchive.
   */
  readonly allowMissingPadding?: boolean | undefined
}
