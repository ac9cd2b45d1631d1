/**
 * Mode bare-user: owner, mode and xattrs are in the attribute `user.ostreemeta`, `(uuua(ayay))`; the file itself belongs
 * to the user of the process, and is readable for that user.
 */

import { concatBytes, encodeUtf8 } from '../../../../bytes.ts'
import { IoError } from '../../../../errors.ts'
import { decodeOstreeMeta, encodeOstreeMeta, type FileHeader, isSymlink } from '../../../../objects/index.ts'
import { errnoText } from '../../../../system/errno.ts'
import { type NativeSource, requireNative } from '../../../../system/native.ts'
import type { InodeForm } from './bare-content.ts'

export const OSTREE_META = 'user.ostreemeta'

const FEATURE = 'Mode bare-user'
const OWNER_READ = 0o400
const LINK_PERMISSIONS = 0o644
/** Encoded attributes without xattrs that are kept: most files share a few owners and modes. */
const REMEMBERED = 256

export function bareUserForm(native: NativeSource): InodeForm {
  const remembered = new Map<string, Uint8Array>()

  function metaOf(header: FileHeader): Uint8Array {
    if (header.xattrs.length > 0) return encodeOstreeMeta(header)
    const key = `${header.mode},${header.uid},${header.gid}`
    let bytes = remembered.get(key)
    if (bytes === undefined) {
      bytes = encodeOstreeMeta(header)
      if (remembered.size < REMEMBERED) remembered.set(key, bytes)
    }
    return bytes
  }

  const permissions = (header: FileHeader): number =>
    isSymlink(header) ? LINK_PERMISSIONS : (header.mode & 0o775) | OWNER_READ

  return {
    realLinks: false,
    linkContent: ({ target }) => concatBytes([encodeUtf8(target), Uint8Array.of(0)]),
    permissions,
    complete(fd, header, files) {
      files.setPermissions(fd, permissions(header))
      requireNative(FEATURE, native).setXattrOf(fd, OSTREE_META, metaOf(header))
    },
    headerOf(path, _stat, _target, fd): FileHeader {
      const provider = requireNative(FEATURE, native)
      const bytes = fd === undefined ? provider.getXattr(path, OSTREE_META) : provider.getXattrOf(fd, OSTREE_META)
      if (bytes === undefined) throw new IoError(`fgetxattr(user.ostreemeta): ${errnoText('ENODATA')}`, 'ENODATA', path)
      return decodeOstreeMeta(bytes)
    },
  }
}
