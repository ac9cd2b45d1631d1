/** Mode bare-user-only: the inode has only the mode, which takes no privilege. Files are read as root's, without xattrs. */

import { type FileHeader, NO_XATTRS, S_IFMT } from '../../../../objects/index.ts'
import { type InodeForm, LINK_MODE } from './bare-content.ts'

export const bareUserOnlyForm: InodeForm = {
  realLinks: true,
  permissions: ({ mode }) => mode & 0o7777,
  complete: (fd, header, files) => files.setPermissions(fd, header.mode & 0o7777),
  completeLink() {},
  headerOf(_path, stat, target): FileHeader {
    const mode = stat.isSymbolicLink() ? LINK_MODE : stat.mode & (S_IFMT | 0o7777)
    return { uid: 0, gid: 0, mode, target, xattrs: NO_XATTRS }
  },
}
