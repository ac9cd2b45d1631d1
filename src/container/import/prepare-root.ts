/**
 * Finds out whether the root of an image is writable when it runs (`prepare-root.conf`). Then a layer may have files
 * anywhere, else only in the directories that OSTree deploys.
 *
 * Source: ostree-ext, container::store (root_is_transient); ostree-prepare-root(1).
 */

import { displayUtf8, readAll } from '../../bytes.ts'
import { LimitError, OstreeError } from '../../errors.ts'
import { KeyFile } from '../../keyfile/index.ts'
import { lookupFile, type ObjectReader, type TreeRoot } from '../../repo/index.ts'

export const PREPARE_ROOT_PATHS: readonly string[] = [
  '/etc/ostree/prepare-root.conf',
  '/usr/lib/ostree/prepare-root.conf',
]

/** Bytes of the file; real ones have some hundred. */
export const MAX_PREPARE_ROOT_SIZE = 1 << 20

/** Values of `[composefs] enabled` that switch it on, or may. */
const COMPOSEFS_ON = new Set(['signed', 'verity', 'yes', 'true', '1', 'maybe'])

/**
 * Returns whether the root of a deployment is transient or uses composefs.
 * @param root the tree of the base commit
 * @throws {OstreeError} when the file is not a key file, or `[root] transient` not a boolean
 */
export async function rootIsTransient(reader: ObjectReader, root: TreeRoot): Promise<boolean> {
  for (const path of PREPARE_ROOT_PATHS) {
    const text = await readText(reader, root, path)
    if (text === undefined) continue
    const file = KeyFile.parse(text, path)
    if (file.getBoolean('root', 'transient', false)) return true
    return COMPOSEFS_ON.has(file.getString('composefs', 'enabled', 'no'))
  }
  return false
}

async function readText(reader: ObjectReader, root: TreeRoot, path: string): Promise<string | undefined> {
  try {
    const { checksum } = await lookupFile(reader, root, path)
    const { body } = await reader.readFile(checksum)
    const tooLong = (limit: number) => new LimitError('size of prepare-root.conf', limit, undefined, path)
    return displayUtf8(await readAll(body, MAX_PREPARE_ROOT_SIZE, tooLong))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Returns whether an error says that the path does not exist; a missing object is not such an error. */
function isMissing(error: unknown): boolean {
  if (!(error instanceof OstreeError)) return false
  return error.name === 'PathNotFoundError' || ('errno' in error.data && error.data.errno === 'ENOTDIR')
}
