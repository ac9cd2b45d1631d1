/**
 * Owner, mode and xattrs of a directory: `(uuua(ayay))`, big-endian. Source: ostree-core.h, OSTREE_DIRMETA_GVARIANT_FORMAT.
 *
 * The attribute `user.ostreemeta`, by which bare-user repositories remember the same of a file, is the same value.
 */

import { struct, u32be, type Value } from '../gvariant/index.ts'
import type { FileHeader } from './interface.ts'
import { Xattrs } from './xattrs.ts'

/** `mode` has the type bits: S_IFDIR in a dirmeta, S_IFREG or S_IFLNK in `user.ostreemeta`. */
export const DirMeta = struct({ uid: u32be, gid: u32be, mode: u32be, xattrs: Xattrs })
export type DirMeta = Value<typeof DirMeta>

/** The value of `user.ostreemeta`. Xattrs keep their order: it is part of the file's checksum. */
export function encodeOstreeMeta(header: Omit<FileHeader, 'target'>): Uint8Array {
  return DirMeta.encode(header)
}

/**
 * What a bare-user file says of itself; malformed bytes give zeros, as in ostree.
 * @param target text of the symbolic link: the content of the file, up to its first NUL
 */
export function decodeOstreeMeta(bytes: Uint8Array, target = ''): FileHeader {
  const { uid, gid, mode, xattrs } = DirMeta.decode(bytes)
  return { uid, gid, mode, target, xattrs }
}
