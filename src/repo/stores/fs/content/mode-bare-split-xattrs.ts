/**
 * bare-split-xattrs, which is read and never written: content, owner and mode on the inode, xattrs in an object beside
 * it, `CHECKSUM.file-xattrs-link`, a hard link of the `file-xattrs` object that many files share.
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
