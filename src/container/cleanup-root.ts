/**
 * Container builders leave mount points for `/etc/hostname` and `/etc/resolv.conf` behind, as empty files. Such an
 * empty file would hide what the host says, so it is taken out of an image that becomes a root file system.
 *
 * Source: ostree-ext, container::store::cleanup_root.
 */

import { isSymlink } from '../objects/index.ts'
import type { MutableTree, ObjectReader } from '../repo/index.ts'

const LEFTOVERS = ['hostname', 'resolv.conf']

/** Removes `usr/etc/hostname` and `usr/etc/resolv.conf` where they are regular and empty. */
export async function cleanupRoot(root: MutableTree, reader: ObjectReader): Promise<void> {
  const usr = (await root.load()).dirs.get('usr')
  const etc = (await usr?.load())?.dirs.get('etc')
  await etc?.load()
  for (const name of LEFTOVERS) {
    const checksum = etc?.files.get(name)
    if (checksum === undefined) continue
    const { header, size } = await reader.statFile(checksum)
    if (!isSymlink(header) && size === 0) etc?.remove(name)
  }
}
