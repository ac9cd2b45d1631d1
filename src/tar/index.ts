/**
 * Tar and cpio archives, read and written as streams.
 *
 * @module ostree-ts/tar
 */

export { CpioParser, isCpio } from './cpio.ts'
export { type ArchiveParser, type FeedOptions, feed, feedThrough, TarOrCpioParser } from './feed.ts'
export { END_OF_ARCHIVE, encodeGnuLong, encodePaxHeader, HeaderBlock, paddingFor } from './header-block.ts'
export type { PaxRecord, TarEntryType, TarHeader, TarLimits, TarSink } from './interface.ts'
export {
  MAX_TAR_ENTRIES,
  MAX_TAR_EXTENSION_BYTES,
  MAX_TAR_FILE_BYTES,
  MAX_TAR_HOLE_BYTES,
  TarParser,
} from './parser.ts'
export { encodePaxRecord, type PaxBody, parsePax, paxValue } from './pax.ts'
export { packTar, type TarEntry, type TarEntryFields, type TarText, TarWriter } from './writer.ts'
