/**
 * Removes the empty files that container builders leave as mount points at `/etc/hostname` and `/etc/resolv.conf`. In an
 * image that becomes a root file system they would hide the settings of the host.
 *
 * Source: ostree-ext, container::store::cleanup_root.
 */

import { type FileInfo, isSymlink } from '../../objects/index.ts'
import type { MutableTree, ObjectReader } from '../../repo/index.ts'

const LEFTOVERS = ['hostname', 'resolv.conf']

/** Removes `usr/etc/hostname` and `usr/etc/resolv.conf` where they are regular and empty. */
export async function cleanupRoot(root: MutableTree, reader: ObjectReader): Promise<void> {
  const usr = (await root.load()).dirs.get('usr')
  const etc = (await usr?.load())?.dirs.get('etc')
  await etc?.load()
  for (const name of LEFTOVERS) {
    const checksum = etc?.files.get(name)
    if (checksum === undefined) continue
    if (isEmpty(await reader.statFile(checksum))) etc?.remove(name)
  }
}

/** Returns whether `cleanupRoot` removes a file. @param path absolute */
export function isLeftover(path: string, file: FileInfo): boolean {
  return LEFTOVERS.some((name) => path === `/usr/etc/${name}`) && isEmpty(file)
}

function isEmpty({ header, size }: FileInfo): boolean {
  return !isSymlink(header) && size === 0
}
