/**
 * Whether a tree has an SELinux policy in force. Labels are not computed from it: what an image already carries stays,
 * and whoever imports is told.
 *
 * Source: libostree, ostree-sepolicy.c (get_policy_name).
 */

import { displayUtf8, readAll } from '../bytes.ts'
import { LimitError, OstreeError } from '../errors.ts'
import { lookupFile, type ObjectReader, type TreeRoot } from '../repo/index.ts'

const CONFIG_PATHS = ['/etc/selinux/config', '/usr/etc/selinux/config']
/** Bytes. */
const MAX_CONFIG_SIZE = 1 << 20

/** The first config that is there decides. */
export async function hasSelinuxPolicy(reader: ObjectReader, root: TreeRoot): Promise<boolean> {
  for (const path of CONFIG_PATHS) {
    try {
      const { checksum } = await lookupFile(reader, root, path)
      const { body } = await reader.readFile(checksum)
      const tooLong = (limit: number) => new LimitError('size of the SELinux config', limit, undefined, path)
      const lines = displayUtf8(await readAll(body, MAX_CONFIG_SIZE, tooLong)).split('\n')
      return lines.some((line) => /^SELINUX=(?:enforcing|permissive)\s*$/.test(line))
    } catch (error) {
      if (!(error instanceof OstreeError) || (error.code !== 'not-found' && error.code !== 'io')) throw error
    }
  }
  return false
}
