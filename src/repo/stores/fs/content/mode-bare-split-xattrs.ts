/**
 * Mode bare-split-xattrs: owner and mode are those of the inode, xattrs are in an object beside it,
 * `CHECKSUM.file-xattrs-link`, a hard link to the `file-xattrs` object that files with equal xattrs share.
 *
 * libostree reads this mode. What it writes, if its environment allows that experiment, is content alone, as files of
 * mode 0644: owner, permissions, xattrs and targets of symbolic links are lost, and fsck reports every file. The same is
 * written here, only where `RepoDirectoryOptions.writeSplitXattrs` allows it.
 *
 * Source: ostree-repo-commit.c, write_content_object.
 */

import { EMPTY_BYTES } from '../../../../bytes.ts'
import { IoError } from '../../../../errors.ts'
import { type FileHeader, S_IFMT, Xattrs } from '../../../../objects/index.ts'
import { errnoText } from '../../../../system/errno.ts'
import { readWhole } from '../../../../system/file-io.ts'
import type { InodeForm } from './bare-content.ts'

const WRITTEN_PERMISSIONS = 0o644

export const bareSplitXattrsForm: InodeForm = {
  realLinks: true,
  linkContent: () => EMPTY_BYTES,
  permissions: () => WRITTEN_PERMISSIONS,
  complete: (fd, _header, files) => files.setPermissions(fd, WRITTEN_PERMISSIONS),
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
