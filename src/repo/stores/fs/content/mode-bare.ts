/** Mode bare: the inode has owner, permissions and xattrs of the file. Writing files of other users takes root. */

import { lchownSync } from 'node:fs'
import { type FileHeader, NO_XATTRS, S_IFMT, type Xattrs } from '../../../../objects/index.ts'
import { withIo } from '../../../../system/errno.ts'
import { type Native, type NativeSource, requireNative } from '../../../../system/native.ts'
import type { InodeForm } from './bare-content.ts'

const SET_ID = 0o6000
const OWNER_WRITE = 0o200
const FEATURE = 'Mode bare'

/** @param disableXattrs whether xattrs are neither written nor read (`core.disable-xattrs`) */
export function bareForm(native: NativeSource, disableXattrs: boolean): InodeForm {
  function setXattrs(xattrs: Xattrs, set: (native: Native, name: Uint8Array, value: Uint8Array) => void): void {
    if (xattrs.length === 0 || disableXattrs) return
    const provider = requireNative(FEATURE, native)
    for (const [name, value] of xattrs) set(provider, name, value)
  }

  return {
    realLinks: true,
    permissions: ({ mode, xattrs }) => (mode & 0o7777) | (xattrs.length === 0 ? 0 : OWNER_WRITE),
    complete(fd, header, files) {
      const chowned = files.setOwner(fd, header)
      // After the owner, a change of which removes security.capability, and before permissions that may forbid it.
      setXattrs(header.xattrs, (provider, name, value) => provider.setXattrOf(fd, name, value))
      const madeWritable = header.xattrs.length > 0 && (header.mode & OWNER_WRITE) === 0
      files.setPermissions(fd, header.mode & 0o7777, madeWritable || (chowned && (header.mode & SET_ID) !== 0))
    },
    completeLink(path, header) {
      withIo(undefined, () => lchownSync(path, header.uid, header.gid))
      setXattrs(header.xattrs, (provider, name, value) => provider.setXattr(path, name, value))
    },
    headerOf(path, stat, target, fd): FileHeader {
      let xattrs = NO_XATTRS
      if (!disableXattrs) {
        const provider = requireNative(FEATURE, native)
        xattrs = fd === undefined ? provider.readXattrs(path) : provider.readXattrsOf(fd)
      }
      return { uid: stat.uid, gid: stat.gid, mode: stat.mode & (S_IFMT | 0o7777), target, xattrs }
    },
  }
}
