/**
 * Owner, mode and xattrs of a directory: `(uuua(ayay))`, big-endian. Source: ostree-core.h,
 * OSTREE_DIRMETA_GVARIANT_FORMAT.
 *
 * Bare-user repositories store the same value for files, in the extended attribute `user.ostreemeta`.
 */

import { struct, u32be, type Value } from '../gvariant/index.ts'
import type { FileHeader } from './interface.ts'
import { Xattrs } from './xattrs.ts'

/** Codec of a dirmeta. `mode` includes the type bits: S_IFDIR in a dirmeta, S_IFREG or S_IFLNK in `user.ostreemeta`. */
export const DirMeta = struct({ uid: u32be, gid: u32be, mode: u32be, xattrs: Xattrs })
/** Decoded dirmeta. */
export type DirMeta = Value<typeof DirMeta>

/** Encodes the value of `user.ostreemeta`. Xattrs keep their order: it is part of the file's checksum. */
export function encodeOstreeMeta(header: Omit<FileHeader, 'target'>): Uint8Array {
  return DirMeta.encode(header)
}

/**
 * Decodes the value of `user.ostreemeta`; malformed bytes give zeros, as in ostree.
 * @param target target of a symbolic link, which bare-user repositories store as the content of the file, up to its
 *   first NUL
 */
export function decodeOstreeMeta(bytes: Uint8Array, target = ''): FileHeader {
  const { uid, gid, mode, xattrs } = DirMeta.decode(bytes)
  return { uid, gid, mode, target, xattrs }
}
