/** Which entries of an archive libostree takes for which kind of file. Source: libarchive, ostree-repo-libarchive.c. */

import type { TarHeader } from '../../../tar/index.ts'

/** Type flag `M` of GNU tar: the rest of a file that began in an earlier volume. */
const CONTINUED_FILE = 0x4d

/** What an entry becomes in a tree. `ignored` entries are left out, `unsupported` ones are an error. */
export type EntryKind = 'file' | 'symlink' | 'directory' | 'ignored' | 'unsupported'

/** Returns what an entry becomes. Hard links are files. */
export function kindOf(header: TarHeader): EntryKind {
  switch (header.type) {
    case 'file':
    case 'hardlink':
      return 'file'
    case 'symlink':
    case 'directory':
      return header.type
    case 'pax-global':
      return 'ignored'
    case 'unknown':
      // As in libarchive: a regular file, unless it is the rest of one that began in an earlier volume.
      return header.typeflag === CONTINUED_FILE ? 'unsupported' : 'file'
    default:
      return 'unsupported'
  }
}
