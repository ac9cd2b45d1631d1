/**
 * Mode bare-split-xattrs, which is only read: owner and mode are those of the inode, xattrs are in an object beside it,
 * `CHECKSUM.file-xattrs-link`, a hard link to the `file-xattrs` object that files with equal xattrs share.
 */

import { IoError, UnsupportedError } from '../../../../errors.ts'
import { type FileHeader, S_IFMT, Xattrs } from '../../../../objects/index.ts'
import { errnoText } from '../../../../system/errno.ts'
import { readWhole } from '../../../../system/file-io.ts'
import type { InodeForm } from './bare-content.ts'

function refuse(): never {
  throw new UnsupportedError('bare-split-xattrs', 'Not allowed due to repo mode')
}

export const bareSplitXattrsForm: InodeForm = {
  realLinks: true,
  permissions: refuse,
  complete: refuse,
  completeLink: refuse,
  headerOf(path, stat, target): FileHeader {
    const link = `${path}-xattrs-link`
    const bytes = readWhole(link)
    if (bytes === undefined) {
      const shown = link.slice(link.lastIndexOf('/', link.lastIndexOf('/') - 1) + 1)
      throw new IoError(`openat(${shown}): ${errnoText('ENOENT')}`, 'ENOENT', link)
    }
    return { uid: stat.uid, gid: stat.gid, mode: stat.mode & (S_IFMT | 0o7777), target, xattrs: Xattrs.decode(bytes) }
  },
}
