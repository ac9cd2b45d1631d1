/**
 * Mode bare-user: owner, mode and xattrs are in the attribute `user.ostreemeta`, `(uuua(ayay))`; the file itself belongs
 * to the user of the process, and is readable for that user.
 */

import { fchmodSync } from 'node:fs'
import { concatBytes, encodeUtf8 } from '../../../../bytes.ts'
import { IoError } from '../../../../errors.ts'
import { decodeOstreeMeta, encodeOstreeMeta, type FileHeader, isSymlink } from '../../../../objects/index.ts'
import { errnoText, withIo } from '../../../../system/errno.ts'
import { type NativeSource, requireNative } from '../../../../system/native.ts'
import type { InodeForm } from './bare-content.ts'

export const OSTREE_META = 'user.ostreemeta'

const FEATURE = 'Mode bare-user'
const OWNER_READ = 0o400
const OWNER_WRITE = 0o200
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

  /** Whether files are created writable, because this user may not set xattrs of files that are not. */
  let createWritable = false

  const permissions = (header: FileHeader): number =>
    isSymlink(header) ? LINK_PERMISSIONS : (header.mode & 0o775) | OWNER_READ

  function setMeta(fd: number, header: FileHeader): void {
    const provider = requireNative(FEATURE, native)
    const meta = metaOf(header)
    try {
      provider.setXattrOf(fd, OSTREE_META, meta)
    } catch (error) {
      if (createWritable || !(error instanceof IoError) || error.data.errno !== 'EACCES') throw error
      createWritable = true
      withIo(undefined, () => fchmodSync(fd, permissions(header) | OWNER_WRITE))
      provider.setXattrOf(fd, OSTREE_META, meta)
    }
  }

  return {
    realLinks: false,
    linkContent: ({ target }) => concatBytes([encodeUtf8(target), Uint8Array.of(0)]),
    permissions: (header) => permissions(header) | (createWritable ? OWNER_WRITE : 0),
    complete(fd, header, files) {
      // First, because it may take the permission to write.
      setMeta(fd, header)
      const wanted = permissions(header)
      files.setPermissions(fd, wanted, createWritable && (wanted & OWNER_WRITE) === 0)
    },
    headerOf(path, _stat, _target, fd): FileHeader {
      const provider = requireNative(FEATURE, native)
      const bytes = fd === undefined ? provider.getXattr(path, OSTREE_META) : provider.getXattrOf(fd, OSTREE_META)
      if (bytes === undefined) throw new IoError(`fgetxattr(user.ostreemeta): ${errnoText('ENODATA')}`, 'ENODATA', path)
      return decodeOstreeMeta(bytes)
    },
  }
}
